//! Languages: their words, comments and strings; enough to colour them.

/// How a language is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Words, strings, comments.
    Words,
    /// Tags.
    Markup,
    /// One meaning a line.
    Lines,
    /// A name and a value a line.
    Settings,
}

/// A language.
#[derive(Debug)]
pub(crate) struct Grammar {
    /// What people call it.
    pub(crate) name: &'static str,
    pub(crate) sort: Sort,
    pub(crate) line_comments: &'static [&'static str],
    pub(crate) block_comments: &'static [(&'static str, &'static str)],
    /// Quotes.
    pub(crate) strings: &'static str,
    pub(crate) long_strings: &'static [&'static str],
    pub(crate) keywords: &'static str,
    pub(crate) constants: &'static str,
    /// Words of any case are the same.
    pub(crate) any_case: bool,
    /// A capital begins the name of a type.
    pub(crate) types: bool,
    /// `'a` is no string.
    pub(crate) lifetimes: bool,
    /// A word before a colon is a name.
    pub(crate) properties: bool,
    /// A string before a colon is a name.
    pub(crate) names_are_strings: bool,
    /// Words may have dashes.
    pub(crate) dashes: bool,
    /// What may begin a name beside letters.
    pub(crate) marks: &'static str,
    /// Between name and value of settings.
    pub(crate) separator: char,
}

const PLAIN: Grammar = Grammar {
    name: "",
    sort: Sort::Words,
    line_comments: &["//"],
    block_comments: &[("/*", "*/")],
    strings: "\"'",
    long_strings: &[],
    keywords: "",
    constants: "true false null NULL nil None True False undefined NaN self this",
    any_case: false,
    types: true,
    lifetimes: false,
    properties: false,
    names_are_strings: false,
    dashes: false,
    marks: "",
    separator: '=',
};

const C_WORDS: &str = "auto break case char const continue default do double else enum extern float for goto if inline int long register return short signed sizeof static struct switch typedef union unsigned void volatile while bool";
const HASH: &[&str] = &["#"];

const RUST: Grammar = Grammar {
    name: "Rust",
    keywords: "as async await break const continue crate dyn else enum extern fn for if impl in let loop match mod move mut pub ref return static struct super trait type unsafe use where while",
    constants: "true false self Self None Some Ok Err u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char str",
    lifetimes: true,
    ..PLAIN
};
const C: Grammar = Grammar { name: "C", keywords: C_WORDS, marks: "#", types: false, ..PLAIN };
const CPP: Grammar = Grammar {
    name: "C++",
    keywords: "alignas auto bool break case catch char class concept const consteval constexpr const_cast continue decltype default delete do double dynamic_cast else enum explicit export extern final float for friend goto if inline int long mutable namespace new noexcept operator override private protected public register reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template throw try typedef typename union unsigned using virtual void volatile while",
    marks: "#",
    ..PLAIN
};
const GO: Grammar = Grammar {
    name: "Go",
    strings: "\"'`",
    keywords: "break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var",
    constants: "true false nil iota string int int8 int16 int32 int64 uint byte rune error bool float64 any",
    ..PLAIN
};
const JAVA: Grammar = Grammar {
    name: "Java",
    long_strings: &["\"\"\""],
    keywords: "abstract assert boolean break byte case catch char class const continue default do double else enum extends final finally float for if implements import instanceof int interface long native new package private protected public record return sealed short static super switch synchronized this throw throws transient try var void volatile while yield",
    marks: "@",
    ..PLAIN
};
const CSHARP: Grammar = Grammar {
    name: "C#",
    keywords: "abstract as async await base bool break byte case catch char class const continue decimal default delegate do double else enum event explicit extern finally fixed float for foreach get goto if implicit in int interface internal is lock long namespace new object operator out override params private protected public readonly record ref return sealed set short static string struct switch throw try typeof uint ulong unsafe ushort using var virtual void volatile where while yield",
    ..PLAIN
};
const KOTLIN: Grammar = Grammar {
    name: "Kotlin",
    long_strings: &["\"\"\""],
    keywords: "as break by catch class companion const continue data do else enum finally for fun if import in init inline interface internal is lateinit null object open out override package private protected public return sealed super suspend this throw try typealias val var vararg when where while",
    marks: "@",
    ..PLAIN
};
const SWIFT: Grammar = Grammar {
    name: "Swift",
    strings: "\"",
    long_strings: &["\"\"\""],
    keywords: "as associatedtype async await break case catch class continue default defer deinit do else enum extension fallthrough fileprivate final for func guard if import in init inout internal is lazy let mutating open override private protocol public repeat return self some static struct subscript super switch throw throws try typealias var weak where while",
    marks: "@",
    ..PLAIN
};
const JAVASCRIPT: Grammar = Grammar {
    name: "JavaScript",
    strings: "\"'`",
    keywords: "async await break case catch class const continue debugger default delete do else export extends finally for from function get if import in instanceof let new of return set static super switch this throw try typeof var void while with yield",
    ..PLAIN
};
const TYPESCRIPT: Grammar = Grammar {
    name: "TypeScript",
    strings: "\"'`",
    keywords: "abstract any as async await boolean break case catch class const continue declare default delete do else enum export extends finally for from function get if implements import in infer instanceof interface keyof let namespace never new number of private protected public readonly return set static string super switch this throw try type typeof unknown var void while yield",
    ..PLAIN
};
const PYTHON: Grammar = Grammar {
    name: "Python",
    line_comments: HASH,
    block_comments: &[],
    long_strings: &["\"\"\"", "'''"],
    keywords: "and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield",
    marks: "@",
    ..PLAIN
};
const RUBY: Grammar = Grammar {
    name: "Ruby",
    line_comments: HASH,
    block_comments: &[("=begin", "=end")],
    keywords: "alias and begin break case class def defined do else elsif end ensure for if in module next not or redo rescue retry return self super then undef unless until when while yield require attr_reader attr_accessor",
    marks: "@$",
    ..PLAIN
};
const PERL: Grammar = Grammar {
    name: "Perl",
    line_comments: HASH,
    block_comments: &[("=pod", "=cut"), ("=head", "=cut")],
    keywords: "and bless die do else elsif eval for foreach given if last local my next no or our package print redo return shift sub unless until use wantarray when while",
    marks: "$@%",
    ..PLAIN
};
const PHP: Grammar = Grammar {
    name: "PHP",
    line_comments: &["//", "# "],
    keywords: "abstract and array as break callable case catch class clone const continue declare default do echo else elseif empty extends final finally fn for foreach function global if implements include instanceof interface isset list match namespace new or print private protected public readonly require return static switch throw trait try unset use var while yield php",
    marks: "$",
    ..PLAIN
};
const LUA: Grammar = Grammar {
    name: "Lua",
    line_comments: &["--"],
    block_comments: &[("--[[", "]]")],
    keywords: "and break do else elseif end false for function goto if in local nil not or repeat return then true until while",
    ..PLAIN
};
const HASKELL: Grammar = Grammar {
    name: "Haskell",
    line_comments: &["--"],
    block_comments: &[("{-", "-}")],
    strings: "\"",
    keywords: "case class data default deriving do else family forall foreign if import in infix infixl infixr instance let module newtype of qualified then type where",
    ..PLAIN
};
const SQL: Grammar = Grammar {
    name: "SQL",
    line_comments: &["--"],
    strings: "'\"`",
    keywords: "add all alter and as asc begin between by case check column commit constraint create cross database default delete desc distinct drop else end except exists foreign from full grant group having if in index inner insert intersect into is join key left like limit not null offset on or order outer primary references replace returning right rollback select set table then transaction trigger truncate union unique update using values view when where with",
    any_case: true,
    types: false,
    ..PLAIN
};
const CSS: Grammar = Grammar {
    name: "CSS",
    line_comments: &[],
    keywords: "important media import charset font-face keyframes supports from to",
    constants: "inherit none auto initial unset",
    types: false,
    properties: true,
    dashes: true,
    marks: "@.#",
    ..PLAIN
};
const SHELL: Grammar = Grammar {
    name: "Shell",
    line_comments: HASH,
    block_comments: &[],
    keywords: "alias break case cd continue declare do done echo elif else esac eval exec exit export fi for function if in local read readonly return set shift source then trap unset until while",
    types: false,
    dashes: true,
    marks: "$",
    ..PLAIN
};
const MAKEFILE: Grammar = Grammar {
    name: "Makefile",
    line_comments: HASH,
    block_comments: &[],
    keywords: "ifeq ifneq ifdef ifndef else endif include define endef export override",
    types: false,
    properties: true,
    dashes: true,
    marks: "$.",
    ..PLAIN
};
const DOCKERFILE: Grammar = Grammar {
    name: "Dockerfile",
    line_comments: HASH,
    block_comments: &[],
    keywords: "FROM RUN COPY ADD ENTRYPOINT CMD WORKDIR ENV EXPOSE ARG AS USER VOLUME LABEL HEALTHCHECK SHELL STOPSIGNAL ONBUILD",
    types: false,
    dashes: true,
    marks: "$",
    ..PLAIN
};
const TEX: Grammar = Grammar {
    name: "TeX",
    line_comments: &["%"],
    block_comments: &[],
    strings: "",
    types: false,
    marks: "\\",
    ..PLAIN
};
const R: Grammar = Grammar {
    name: "R",
    line_comments: HASH,
    block_comments: &[],
    keywords: "break else for function if in next repeat return while library require TRUE FALSE NULL NA",
    types: false,
    ..PLAIN
};
const AWK: Grammar = Grammar {
    name: "Awk",
    line_comments: HASH,
    block_comments: &[],
    keywords: "BEGIN END break continue delete do else exit for function getline if in next print printf return while",
    types: false,
    marks: "$",
    ..PLAIN
};
const TCL: Grammar = Grammar {
    name: "Tcl",
    line_comments: HASH,
    block_comments: &[],
    keywords: "proc set if else elseif for foreach while return namespace package require variable global expr puts switch",
    types: false,
    marks: "$",
    ..PLAIN
};
const JSON: Grammar = Grammar {
    name: "JSON",
    line_comments: &[],
    block_comments: &[],
    strings: "\"",
    keywords: "true false null",
    constants: "",
    names_are_strings: true,
    ..PLAIN
};
const XML: Grammar = Grammar { name: "XML", sort: Sort::Markup, ..PLAIN };
const DIFF: Grammar = Grammar { name: "Diff", sort: Sort::Lines, ..PLAIN };
const TOML: Grammar = Grammar { name: "TOML", sort: Sort::Settings, line_comments: HASH, ..PLAIN };
const INI: Grammar =
    Grammar { name: "INI", sort: Sort::Settings, line_comments: &["#", ";"], ..PLAIN };
const YAML: Grammar =
    Grammar { name: "YAML", sort: Sort::Settings, line_comments: HASH, separator: ':', ..PLAIN };

/// The language of a media type; none for what is no code.
pub(crate) fn of(media_type: &str) -> Option<&'static Grammar> {
    Some(match media_type {
        "text/x-rust" => &RUST,
        "text/x-c" => &C,
        "text/x-c++" => &CPP,
        "text/x-go" => &GO,
        "text/x-java" => &JAVA,
        "text/x-csharp" => &CSHARP,
        "text/x-kotlin" => &KOTLIN,
        "text/x-swift" => &SWIFT,
        "text/javascript" => &JAVASCRIPT,
        "text/x-typescript" => &TYPESCRIPT,
        "text/x-python" => &PYTHON,
        "text/x-ruby" => &RUBY,
        "text/x-perl" => &PERL,
        "text/x-php" => &PHP,
        "text/x-lua" => &LUA,
        "text/x-haskell" => &HASKELL,
        "application/sql" => &SQL,
        "text/css" => &CSS,
        "text/x-shellscript" => &SHELL,
        "text/x-makefile" => &MAKEFILE,
        "text/x-dockerfile" => &DOCKERFILE,
        "text/x-tex" | "text/x-texinfo" => &TEX,
        "text/x-r" => &R,
        "text/x-awk" => &AWK,
        "text/x-tcl" => &TCL,
        "text/x-diff" => &DIFF,
        "application/toml" => &TOML,
        "text/x-ini" => &INI,
        "application/yaml" => &YAML,
        json if json.ends_with("json") => &JSON,
        xml if xml.ends_with("xml") || xml == "application/x-plist" => &XML,
        _ => return None,
    })
}
