//! Whether two series of times are of one kind: Mann and Whitney's U.

/// How far from chance an order may be, in standard deviations: less than one in a million is.
pub(crate) const MAX_DEVIATIONS: f64 = 5.0;

/// By how many standard deviations `ours` are ranked higher than chance would have them (normal
/// approximation, with ties).
pub(crate) fn deviations(ours: &[f64], theirs: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = ours.iter().map(|value| (*value, true)).collect();
    all.extend(theirs.iter().map(|value| (*value, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (n, m, total) = (ours.len() as f64, theirs.len() as f64, all.len() as f64);
    let (mut ranks, mut ties, mut place) = (0.0, 0.0, 0.0);
    for equal in all.chunk_by(|a, b| a.0 == b.0) {
        let same = equal.len() as f64;
        let own = equal.iter().filter(|(_, own)| *own).count() as f64;
        ranks += own * (place + f64::midpoint(same, 1.0));
        ties += same.powi(3) - same;
        place += same;
    }
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    (ranks - n * (total + 1.0) / 2.0) / variance.sqrt()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[test]
fn an_order_by_chance_is_told_from_one_that_is_none() {
    let even: Vec<f64> = (0..100).map(|n| f64::from(n * 2)).collect();
    let odd: Vec<f64> = (0..100).map(|n| f64::from(n * 2 + 1)).collect();
    assert!(deviations(&even, &odd).abs() < 1.0);
    assert!(deviations(&odd, &odd).abs() < 1e-9);
    let later: Vec<f64> = odd.iter().map(|value| value + 100.0).collect();
    assert!(deviations(&even, &later) < -MAX_DEVIATIONS);
    // A tenth of a spread apart: two hundred samples do not show it, two thousand do.
    let times = |count: u32, by: u32| -> Vec<f64> {
        (0..count).map(|n| f64::from(n * 7_919 % 1_000 + by)).collect()
    };
    assert!(deviations(&times(200, 100), &times(200, 0)).abs() < MAX_DEVIATIONS);
    assert!(deviations(&times(2_000, 100), &times(2_000, 0)) > MAX_DEVIATIONS);
    // Many that are equal count for less, not for nothing.
    let (mut early, mut late) = (vec![1.0; 900], vec![1.0; 900]);
    early.extend([0.0; 100]);
    late.extend([2.0; 100]);
    assert!(deviations(&late, &early) > MAX_DEVIATIONS);
}
