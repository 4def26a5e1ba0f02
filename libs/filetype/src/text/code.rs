//! Source code: by its first line, or by enough of a language's own turns of phrase.

use crate::filetype::Filetype;
use crate::kind::Kind;
use crate::text::Text;

/// Lines looked at, at most.
const MOST_LINES: usize = 400;

const fn code(media_type: &'static str, extension: &'static str) -> Filetype {
    Filetype::of(Kind::Text, media_type, extension)
}

/// Programs named after `#!`, and what they run.
const INTERPRETERS: &[(&str, Filetype)] = &[
    ("python", code("text/x-python", "py")),
    ("bash", code("text/x-shellscript", "sh")),
    ("zsh", code("text/x-shellscript", "sh")),
    ("dash", code("text/x-shellscript", "sh")),
    ("fish", code("text/x-shellscript", "fish")),
    ("perl", code("text/x-perl", "pl")),
    ("ruby", code("text/x-ruby", "rb")),
    ("node", code("text/javascript", "js")),
    ("deno", code("text/x-typescript", "ts")),
    ("php", code("text/x-php", "php")),
    ("lua", code("text/x-lua", "lua")),
    ("awk", code("text/x-awk", "awk")),
    ("Rscript", code("text/x-r", "r")),
    ("tclsh", code("text/x-tcl", "tcl")),
    ("make", code("text/x-makefile", "mk")),
    ("sh", code("text/x-shellscript", "sh")),
];

/// Texts whose beginning says it all.
const BEGINNINGS: &[(&str, Filetype)] = &[
    ("<?php", code("text/x-php", "php")),
    ("<?=", code("text/x-php", "php")),
    ("diff --git ", code("text/x-diff", "diff")),
    ("\\documentclass", code("text/x-tex", "tex")),
    ("%YAML", code("application/yaml", "yaml")),
    ("-----BEGIN PGP", code("application/pgp-keys", "asc")),
    ("-----BEGIN CERTIFICATE", code("application/x-pem-file", "pem")),
    ("\\input texinfo", code("text/x-texinfo", "texi")),
    ("#EXTM3U", code("audio/x-mpegurl", "m3u")),
];

/// Looks for what says by itself what it is.
pub(crate) fn certain(text: &Text<'_>) -> Option<Filetype> {
    let start = text.text.trim_start();
    if let Some(line) = start.strip_prefix("#!") {
        let line = line.lines().next().unwrap_or_default();
        let words = line.split(['/', ' ', '\t']).filter(|word| !word.starts_with('-'));
        let named = |word: &str| {
            let word =
                word.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
            INTERPRETERS.iter().find(|(name, _)| *name == word).map(|(_, found)| *found)
        };
        if let Some(found) = words.rev().find_map(named) {
            return Some(found);
        }
    }
    let found = BEGINNINGS.iter().find(|(beginning, _)| start.starts_with(beginning));
    if let Some((_, found)) = found {
        return Some(*found);
    }
    let mut lines = start.lines();
    let patch = lines.next().is_some_and(|line| line.starts_with("--- "))
        && lines.next().is_some_and(|line| line.starts_with("+++ "));
    if patch {
        return Some(code("text/x-diff", "diff"));
    }
    let mut lines = start.lines().skip(1);
    let is_subtitle =
        start.starts_with('1') && lines.next().is_some_and(|line| line.contains(" --> "));
    is_subtitle.then(|| code("application/x-subrip", "srt"))
}

/// A language: the beginnings of lines, and what may stand anywhere in them, that are its own.
struct Language {
    filetype: Filetype,
    begins: &'static [&'static str],
    holds: &'static [&'static str],
}

const fn language(
    media_type: &'static str,
    extension: &'static str,
    begins: &'static [&'static str],
    holds: &'static [&'static str],
) -> Language {
    Language { filetype: code(media_type, extension), begins, holds }
}

/// Of two that score the same, the first counts.
const LANGUAGES: &[Language] = &[
    language(
        "text/x-rust",
        "rs",
        &[
            "fn ",
            "pub fn ",
            "use std::",
            "use crate::",
            "impl ",
            "impl<",
            "pub struct ",
            "pub enum ",
            "let mut ",
            "#[derive(",
            "mod ",
            "pub mod ",
            "#![",
            "match ",
            "pub(crate) ",
        ],
        &[
            "-> Result<",
            ".unwrap()",
            "&mut ",
            "println!(",
            "::new(",
            "Some(",
            "=> {",
            "&str",
            "let ",
        ],
    ),
    language(
        "text/x-go",
        "go",
        &["package ", "func ", "import (", "type ", "defer ", "go func"],
        &[" := ", "fmt.", "if err != nil", "interface{}", "chan ", "func("],
    ),
    language(
        "text/x-java",
        "java",
        &[
            "import java",
            "public class ",
            "package ",
            "@Override",
            "private static ",
            "public static ",
            "private final ",
            "public interface ",
            "protected ",
        ],
        &["System.out.", "new ", "throws ", "String ", "void ", " extends ", " implements "],
    ),
    language(
        "text/x-csharp",
        "cs",
        &[
            "using System",
            "namespace ",
            "public class ",
            "private readonly ",
            "public override ",
            "internal ",
        ],
        &["{ get; set; }", "{ get; }", "Console.Write", "=> ", "string ", "async Task", "var "],
    ),
    language(
        "text/x-kotlin",
        "kt",
        &[
            "fun ",
            "val ",
            "package ",
            "import ",
            "data class ",
            "override fun ",
            "private val ",
            "object ",
        ],
        &["println(", ": String", "?: ", "?.", ".let {", "when ("],
    ),
    language(
        "text/x-swift",
        "swift",
        &[
            "import Foundation",
            "import UIKit",
            "import SwiftUI",
            "func ",
            "guard let ",
            "struct ",
            "var ",
            "let ",
            "@objc",
            "extension ",
        ],
        &[": String", " -> ", "if let ", "self.", "override func", "?? "],
    ),
    language(
        "text/x-c++",
        "cpp",
        &[
            "#include <",
            "#include \"",
            "using namespace ",
            "template<",
            "template <",
            "class ",
            "namespace ",
            "public:",
            "private:",
            "virtual ",
        ],
        &["std::", "cout <<", "->", "nullptr", "const auto&", "::", "operator"],
    ),
    language(
        "text/x-c",
        "c",
        &[
            "#include <",
            "#include \"",
            "#define ",
            "#ifdef ",
            "#ifndef ",
            "static ",
            "typedef ",
            "struct ",
            "int main",
            "void ",
            "extern ",
            "int ",
            "#endif",
        ],
        &["printf(", "sizeof(", "->", "malloc(", "NULL", "char *", "unsigned "],
    ),
    language(
        "text/x-typescript",
        "ts",
        &[
            "import ",
            "export ",
            "interface ",
            "type ",
            "const ",
            "export interface ",
            "export type ",
            "private ",
        ],
        &[": string", ": number", ": boolean", "Promise<", " as ", "=> {", "readonly ", ": void"],
    ),
    language(
        "text/javascript",
        "js",
        &[
            "const ",
            "let ",
            "var ",
            "function ",
            "import ",
            "export ",
            "module.exports",
            "'use strict'",
            "\"use strict\"",
            "async function ",
            "(function",
        ],
        &[
            "=> {",
            "require(",
            "console.log(",
            "document.",
            "function(",
            "function (",
            "===",
            "await ",
            "=> ",
        ],
    ),
    language(
        "text/x-python",
        "py",
        &[
            "def ",
            "import ",
            "from ",
            "class ",
            "@",
            "if __name__",
            "async def ",
            "elif ",
            "except ",
            "try:",
            "with ",
            "\"\"\"",
            "raise ",
        ],
        &["self.", "print(", "None", "):", " in range(", "lambda ", "__init__", "    return "],
    ),
    language(
        "text/x-ruby",
        "rb",
        &["require ", "def ", "class ", "module ", "end", "attr_", "puts ", "  def ", "describe "],
        &[" do |", "@", ".each", " => ", "nil", "unless ", "#{"],
    ),
    language(
        "text/x-lua",
        "lua",
        &["local ", "function ", "end", "return ", "--[["],
        &[" then", "local function", " ~= ", "nil", " .. ", "require("],
    ),
    language(
        "text/x-haskell",
        "hs",
        &["module ", "import ", "data ", "where", "instance ", "{-# ", "type "],
        &[" :: ", " <- ", " -> ", " $ ", " where", "deriving"],
    ),
    language(
        "text/x-perl",
        "pl",
        &[
            "use strict",
            "use warnings",
            "my $",
            "sub ",
            "package ",
            "my @",
            "my %",
            "=pod",
            "=head1",
        ],
        &["$_", "=~ ", "@_", "->{", "qw(", "die "],
    ),
    language(
        "application/sql",
        "sql",
        &[
            "SELECT ",
            "CREATE TABLE ",
            "INSERT INTO ",
            "UPDATE ",
            "DROP TABLE ",
            "ALTER TABLE ",
            "FROM ",
            "WHERE ",
            "select ",
            "create table ",
            "insert into ",
            "-- ",
            "BEGIN;",
            "CREATE INDEX ",
        ],
        &[
            " VALUES",
            "PRIMARY KEY",
            "NOT NULL",
            " varchar",
            " VARCHAR",
            " INTEGER",
            " from ",
            " FROM ",
            " where ",
        ],
    ),
    language(
        "text/css",
        "css",
        &["body {", "@media ", "@import ", ".", "#", "@charset ", ":root", "a:hover", "html"],
        &[
            "px;",
            "color: ",
            "margin: ",
            "margin:",
            "padding: ",
            "padding:",
            "font-",
            "display: ",
            "background",
            ": auto;",
        ],
    ),
    language(
        "text/x-shellscript",
        "sh",
        &[
            "export ", "set -e", "if [ ", "fi", "done", "esac", "echo ", "source ", "for ",
            "case ", "then",
        ],
        &["$(", "\"$", "; then", "; do", "${", " || ", " && "],
    ),
    language(
        "text/x-makefile",
        "mk",
        &[".PHONY", "all:", "clean:", "install:", "\t", "CFLAGS", "CC ", "ifeq ", "include "],
        &["$(", " := ", "$@", "$<", " ?= "],
    ),
    language(
        "text/x-dockerfile",
        "dockerfile",
        &["FROM ", "RUN ", "COPY ", "ENTRYPOINT ", "CMD ", "WORKDIR ", "ENV ", "EXPOSE ", "ARG "],
        &["apt-get install", " AS ", "[\"", " && \\"],
    ),
    language(
        "text/x-tex",
        "tex",
        &[
            "\\begin{",
            "\\end{",
            "\\section",
            "\\usepackage",
            "\\newcommand",
            "\\title{",
            "\\chapter",
            "\\item",
        ],
        &["\\textbf{", "\\ref{", "\\cite{", "\\emph{", "$$", "\\label{"],
    ),
];

/// Looks for a language: three different turns of phrase at least, and more than any other has.
pub(crate) fn likely(text: &Text<'_>) -> Option<Filetype> {
    const LEAST_SCORE: usize = 3;
    let lines: Vec<&str> = text.lines().take(MOST_LINES).collect();
    let score = |language: &Language| {
        let begins = language
            .begins
            .iter()
            .filter(|phrase| {
                lines.iter().any(|line| line.trim_start_matches(' ').starts_with(*phrase))
            })
            .count();
        let holds = language
            .holds
            .iter()
            .filter(|phrase| lines.iter().any(|line| line.contains(*phrase)))
            .count();
        // Words of programs are words of prose, too: both sorts must be there.
        if begins == 0 || holds == 0 { 0 } else { begins + holds }
    };
    let is_code = looks_like_code(&lines);
    let mut best: Option<(&Language, usize)> = None;
    for language in LANGUAGES {
        let score = score(language);
        if best.is_none_or(|(_, most)| score > most) {
            best = Some((language, score));
        }
    }
    let found = best
        .filter(|(_, score)| *score >= LEAST_SCORE && is_code)
        .map(|(language, _)| language.filetype);
    found.or_else(|| settings(&lines))
}

/// More of its lines end like code than like sentences.
fn looks_like_code(lines: &[&str]) -> bool {
    let ends =
        |signs: &[char]| lines.iter().filter(|line| line.trim_end().ends_with(signs)).count();
    let sentences = ends(&['.', '?', '!']);
    let code = ends(&[';', '{', '}', ')', ':', ',', '(', ']', '\\', '>'])
        + lines.iter().filter(|line| line.starts_with([' ', '\t', '#', '@'])).count();
    code > sentences
}

/// TOML, INI and YAML: nearly all lines are settings.
fn settings(lines: &[&str]) -> Option<Filetype> {
    let is_key = |key: &str| {
        !key.is_empty()
            && key.len() <= 60
            && key.split(' ').count() <= 2
            && key.chars().all(|letter| letter.is_alphanumeric() || "-_. \"'$/".contains(letter))
    };
    let (mut sections, mut equals, mut colons, mut others, mut quoted) = (0, 0, 0, 0, 0);
    for line in lines.iter().map(|line| line.trim()) {
        if line.is_empty() || line.starts_with(['#', ';']) || line == "---" {
            continue;
        }
        if line.starts_with('[') && line.ends_with(']') {
            sections += 1;
        } else if let Some((_, value)) = line.split_once('=').filter(|(key, _)| is_key(key.trim()))
        {
            equals += 1;
            quoted += usize::from(value.trim().starts_with(['"', '[', '{']));
        } else if line.trim_start_matches("- ").split_once(':').is_some_and(|(key, value)| {
            is_key(key.trim()) && (value.is_empty() || value.starts_with(' '))
        }) {
            colons += 1;
        } else if !line.starts_with("- ") {
            others += 1;
        }
    }
    if equals >= 2 && sections >= 1 && others <= equals / 4 {
        return Some(if quoted > 0 {
            code("application/toml", "toml")
        } else {
            code("text/x-ini", "ini")
        });
    }
    let nests = lines.iter().any(|line| line.starts_with("  ")) || lines.first() == Some(&"---");
    (colons >= 3 && equals == 0 && others == 0 && nests).then(|| code("application/yaml", "yaml"))
}
