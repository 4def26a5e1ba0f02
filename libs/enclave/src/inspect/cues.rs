//! `WebVTT` cues of a storyboard: times, and parts of a sprite that lies beside them.

/// What a sprite's name begins with.
const SPRITE: &str = "storyboard.";
/// What a sprite's name may end with.
const PICTURES: [&str; 5] = ["jpg", "png", "webp", "avif", "gif"];

/// Whether these are cues that name nothing but parts of the sprite beside them.
pub(super) fn are_harmless(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut lines = text.lines();
    lines.next() == Some("WEBVTT")
        && lines.all(|line| line.is_empty() || is_number(line) || is_time(line) || is_part(line))
}

fn is_number(word: &str) -> bool {
    const MAX_DIGITS: usize = 6;
    (1..=MAX_DIGITS).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// `00:00:05.000 --> 00:00:10.000`, the hours optional.
fn is_time(line: &str) -> bool {
    let clock = |text: &str| {
        let Some((seconds, thousandths)) = text.split_once('.') else { return false };
        thousandths.len() == 3
            && is_number(thousandths)
            && (2..=3).contains(&seconds.split(':').count())
            && seconds.split(':').all(is_number)
    };
    line.split_once(" --> ").is_some_and(|(from, to)| clock(from) && clock(to))
}

/// `storyboard.jpg#xywh=0,0,160,90`.
fn is_part(line: &str) -> bool {
    let named = line.strip_prefix(SPRITE).and_then(|rest| rest.split_once("#xywh="));
    named.is_some_and(|(extension, place)| {
        PICTURES.contains(&extension)
            && place.split(',').count() == 4
            && place.split(',').all(is_number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_name_nothing_but_their_sprite() {
        let cues = |line: &str| format!("WEBVTT\n\n1\n00:00:00.000 --> 00:00:05.500\n{line}\n");
        for line in ["storyboard.jpg#xywh=0,0,160,90", "storyboard.webp#xywh=160,90,160,90", ""] {
            assert!(are_harmless(cues(line).as_bytes()), "{line}");
        }
        for line in [
            "<b>text</b>",
            "https://example.com/storyboard.jpg#xywh=0,0,1,1",
            "../storyboard.jpg#xywh=0,0,1,1",
            "storyboard.svg#xywh=0,0,1,1",
            "storyboard.jpg#xywh=0,0,1",
            "storyboard.jpg#xywh=0,0,1,x",
            "STYLE",
            "1 --> 2",
        ] {
            assert!(!are_harmless(cues(line).as_bytes()), "{line}");
        }
        assert!(!are_harmless(b"WEBVTT - title\n"));
        assert!(!are_harmless(b"\xff\xfe"));
    }
}
