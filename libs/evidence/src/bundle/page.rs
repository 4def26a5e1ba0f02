//! A bundle as a page for people: what happened, what proves it, and how to check that.
//!
//! One file of HTML without scripts, pictures or links to elsewhere, made to be printed. Every text
//! that comes from the log is escaped.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Bundle, Checked, Covered, Step};

/// Looks, on screen and on paper.
const STYLE: &str = include_str!("page.css");

/// The page of a bundle that was checked and lies in `file`.
#[must_use]
pub fn page(bundle: &Bundle, checked: &Checked, file: &str) -> String {
    let mut html = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut html, bundle, checked, file);
    html
}

fn write(html: &mut String, bundle: &Bundle, checked: &Checked, file: &str) -> std::fmt::Result {
    let title = match bundle.about.job {
        Some(job) => format!("Evidence of job {job}"),
        None => format!("Evidence of account {}", bundle.about.account),
    };
    let title = escaped(&title);
    writeln!(html, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(
        html,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
         'unsafe-inline'\">"
    )?;
    writeln!(html, "<meta name=\"viewport\" content=\"width=device-width\">")?;
    writeln!(html, "<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>")?;
    head(html, bundle, checked)?;
    verdict(html, checked)?;
    steps(html, &checked.steps)?;
    proofs(html, checked)?;
    how(html, file)?;
    limits(html)?;
    writeln!(html, "</main>\n</body>\n</html>")
}

fn head(html: &mut String, bundle: &Bundle, checked: &Checked) -> std::fmt::Result {
    let what = if bundle.about.job.is_some() { "a job" } else { "an account" };
    writeln!(html, "<header>\n<p class=\"kind\">Darkroom · evidence bundle</p>")?;
    writeln!(html, "<h1>What happened to {what}, and what proves it</h1>\n<dl>")?;
    if let Some(job) = bundle.about.job {
        row(html, "Job", &job.to_string())?;
    }
    row(html, "Account", &bundle.about.account.to_string())?;
    let first = checked.steps.first().and_then(|step| step.time.as_deref());
    let last = checked.steps.last().and_then(|step| step.time.as_deref());
    if let (Some(first), Some(last)) = (first, last) {
        row(html, "From", &shown(first))?;
        row(html, "To", &shown(last))?;
    }
    row(html, "Events", &checked.steps.len().to_string())?;
    row(html, "Put together", &instant(bundle.made_at))?;
    writeln!(html, "</dl>\n</header>")
}

fn row(html: &mut String, name: &str, value: &str) -> std::fmt::Result {
    writeln!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(value))
}

fn verdict(html: &mut String, checked: &Checked) -> std::fmt::Result {
    if !checked.holds {
        writeln!(html, "<section class=\"verdict bad\"><h2>This evidence does not hold</h2><ul>")?;
        for finding in &checked.findings {
            writeln!(html, "<li>{}</li>", escaped(&finding.says))?;
        }
        return writeln!(html, "</ul></section>");
    }
    let signed = checked.steps.iter().filter(|step| step.covered == Covered::Signed).count();
    let young = checked.steps.len() - signed;
    writeln!(
        html,
        "<section class=\"verdict\"><h2>Everything below holds together</h2><p>{signed} of {} events \
         are proven to be in the log as it was signed.",
        checked.steps.len()
    )?;
    if young > 0 {
        writeln!(
            html,
            " {young} are younger than the newest signature: the chain of hashes ties each to the one \
             before it, and a bundle made later will have them signed."
        )?;
    }
    writeln!(
        html,
        " This page is a copy for reading; the proof is the file beside it.</p></section>"
    )
}

fn steps(html: &mut String, steps: &[Step]) -> std::fmt::Result {
    writeln!(
        html,
        "<section><h2>What happened</h2><table><thead><tr><th>When (UTC)</th><th>What</th>\
         <th>Event</th><th>Proof</th></tr></thead><tbody>"
    )?;
    for step in steps {
        let time = step.time.as_deref().map_or_else(|| "not stated".to_owned(), shown);
        let (class, proof) = match step.covered {
            Covered::Signed => ("signed", "signed"),
            Covered::Chained => ("chained", "chained, not signed yet"),
            Covered::Unproven => ("unproven", "NOT PROVEN"),
        };
        writeln!(
            html,
            "<tr><td class=\"time\">{}</td><td>{}</td><td class=\"place\">{} {}</td>\
             <td class=\"{class}\">{proof}</td></tr>",
            escaped(&time),
            escaped(&step.says),
            escaped(&step.stream),
            step.seq
        )?;
    }
    writeln!(html, "</tbody></table></section>")
}

fn proofs(html: &mut String, checked: &Checked) -> std::fmt::Result {
    writeln!(
        html,
        "<section><h2>What proves it</h2><p>Every event was written once, with the hash of the one \
         before it in the same history, into a log that is only ever added to. At short intervals a \
         service apart, the notary, signs a <em>checkpoint</em>: how many events the log has, and one \
         number, its <em>root</em>, that depends on every byte of every one of them. An event is \
         proven when the short path of hashes in the bundle leads from it to that root. Nobody can \
         change, remove, insert or reorder an event without the root coming out differently.</p>"
    )?;
    if checked.checkpoints.is_empty() {
        writeln!(html, "<p>No checkpoint covers these events yet.</p>")?;
    } else {
        writeln!(
            html,
            "<table><thead><tr><th>Stream</th><th>Events covered</th><th>Signed at (UTC)</th>\
             <th>Root</th></tr></thead><tbody>"
        )?;
        for signing in &checked.checkpoints {
            let time = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%S").to_string();
            let time = signing.time.map_or_else(|| "not stated".to_owned(), time);
            let witnesses = match signing.witnesses {
                0 => String::new(),
                1 => "; and by a witness".to_owned(),
                many => format!("; and by {many} witnesses"),
            };
            writeln!(
                html,
                "<tr><td class=\"place\">{}</td><td>{}</td><td class=\"time\">{}{witnesses}</td>\
                 <td class=\"hash\">{}</td></tr>",
                escaped(&signing.stream),
                signing.size,
                escaped(&time),
                escaped(&signing.root)
            )?;
        }
        writeln!(html, "</tbody></table>")?;
    }
    writeln!(html, "<p>The signatures were held against:</p><ul class=\"keys\">")?;
    for key in &checked.keys {
        writeln!(html, "<li>{}</li>", escaped(key))?;
    }
    writeln!(html, "</ul>")?;
    if checked.keys_taken_from_the_bundle {
        writeln!(
            html,
            "<p><strong>This key came with the bundle.</strong> Compare it with the one that the \
             operator of this Darkroom has published or handed to you on another way. Only then do \
             the signatures say who signed.</p>"
        )?;
    }
    writeln!(html, "</section>")
}

fn how(html: &mut String, file: &str) -> std::fmt::Result {
    writeln!(
        html,
        "<section><h2>How to check it</h2><ol><li>Take the file <code>{0}</code> that lies \
         beside this page, and the <code>darkroom</code> program from any place that you trust. \
         Nothing else is needed: no network, no account.</li><li>Run <code>darkroom audit check \
         {0} --key KEY</code> with the key that you were given apart from this bundle.</li>\
         <li>It reads the events, makes every hash anew, follows every path to its root, and verifies \
         every signature (Ed25519 over a <em>signed note</em>, a format that others publish tools \
         for). It says which events are proven, and names the first thing that does not hold.</li>\
         </ol></section>",
        escaped(file)
    )
}

fn limits(html: &mut String) -> std::fmt::Result {
    writeln!(
        html,
        "<section><h2>What it does not prove</h2><ul><li>Times are those of the clock of the service \
         that wrote the event. A checkpoint bounds them from above: what it covers was written before \
         it was signed.</li><li>The bundle shows what had happened by the time it was put together, \
         and not that nothing happened since.</li><li>Addresses, file names and whatever else is \
         personal lies sealed in the events. It is proven that it was not changed; to read it takes \
         keys that are not in the bundle, and that are destroyed when the job or its account is \
         erased. The proof survives that.</li></ul></section>"
    )
}

/// A time as an event states it, to the millisecond; anything else as it stands there.
fn shown(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), instant)
}

fn instant(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// Text that can stand anywhere in a page.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Nothing that turns the direction of what follows, or cannot be seen.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' => {
                let _ = write!(safe, "[U+{:04X}]", u32::from(c));
            }
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_the_log_becomes_markup() {
        let nasty = "<script>alert('x')</script>&\"\u{202e}\u{0}";
        let expected =
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;[U+202E] ".to_owned();
        assert_eq!(escaped(nasty), expected);
    }
}
