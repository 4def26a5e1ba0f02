//! CPU time, which says more than a rate on a machine that others use too.

use super::Trouble;

/// Kernel ticks a second, as /proc counts CPU time.
const TICKS: f64 = 100.0;
/// Where user time stands among the fields after the name.
const USER: usize = 11;

/// Seconds that a process has used so far, all its threads together.
pub fn of(pid: u32) -> Result<f64, Trouble> {
    ticks(pid, 2)
}

/// Seconds that several processes have used so far.
pub fn of_all(pids: impl IntoIterator<Item = u32>) -> Result<f64, Trouble> {
    pids.into_iter().map(of).sum()
}

/// Seconds that this process and all its children that have ended have used so far.
pub fn own() -> Result<f64, Trouble> {
    ticks(std::process::id(), 4)
}

/// utime and stime, and of children that have ended cutime and cstime.
fn ticks(pid: u32, fields: usize) -> Result<f64, Trouble> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name stands in brackets and may hold anything.
    let after = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: Result<Vec<f64>, _> = after.skip(USER).take(fields).map(str::parse).collect();
    Ok(ticks?.into_iter().sum::<f64>() / TICKS)
}
