//! Text of a picture, and how sure the program is of it.

/// Text of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// Line by line, without control characters.
    pub text: String,
    /// Mean confidence of the words in percent, if there are any.
    pub confidence: Option<f32>,
    /// How many words.
    pub words: u32,
}

/// Column of the confidence in Tesseract's table, from 0; the word itself follows.
const CONFIDENCE: usize = 10;

impl Recognised {
    /// From the program's text and table, neither of which is trusted.
    #[must_use]
    pub fn read(text: &[u8], table: &[u8]) -> Self {
        let text: String = String::from_utf8_lossy(text)
            .chars()
            .filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t'))
            .collect();
        let (mut sum, mut words) = (0.0, 0_u32);
        for line in String::from_utf8_lossy(table).lines().skip(1) {
            let mut columns = line.split('\t').skip(CONFIDENCE);
            let confidence = columns.next().and_then(|text| text.parse::<f32>().ok());
            let word = columns.next().is_some_and(|word| !word.trim().is_empty());
            if let Some(confidence) =
                confidence.filter(|found| word && (0.0..=100.0).contains(found))
            {
                sum += confidence;
                words = words.saturating_add(1);
            }
        }
        let confidence = (words > 0).then(|| sum / words as f32);
        Self { text: text.trim().to_owned(), confidence, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_is_the_mean_of_words_and_nonsense_counts_for_nothing() {
        let table = "level\tpage\n\
            5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t90.0\tone\n\
            4\t1\t1\t1\t1\t0\t0\t0\t9\t9\t-1\t\n\
            5\t1\t1\t1\t1\t2\t0\t0\t9\t9\t80\ttwo\n\
            5\t1\t1\t1\t1\t2\t0\t0\t9\t9\tNaN\tthree\n";
        let read = Recognised::read(b" one\x07 two\n\x0c", table.as_bytes());
        assert_eq!(read, Recognised { text: "one two".into(), confidence: Some(85.0), words: 2 });
        assert_eq!(Recognised::read(b"", b"").confidence, None);
    }
}
