//! The files of the console, and the addresses of its pages.

/// A file.
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) media_type: &'static str,
    pub(super) bytes: &'static [u8],
}

/// The one page. Each address shows it, and it shows what the address is of.
pub(super) const PAGE: &str = include_str!("assets/index.html");

/// First segments of the addresses of pages.
pub(super) const PAGES: &[&str] = &[
    "join",
    "reset",
    "login",
    "jobs",
    "new",
    "destination",
    "webhooks",
    "keys",
    "members",
    "usage",
    "log",
    "profile",
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! scripts {
    ($($name:literal,)+) => {
        /// Every other file.
        pub(super) const ASSETS: &[Asset] = &[
            Asset { name: "style.css", media_type: "text/css; charset=utf-8", bytes: include_bytes!("assets/style.css") },
            Asset { name: "icon.svg", media_type: "image/svg+xml", bytes: include_bytes!("assets/icon.svg") },
            $(Asset { name: $name, media_type: SCRIPT, bytes: include_bytes!(concat!("assets/", $name)) },)+
        ];
    };
}

scripts! {
    "main.js",
    "api.js",
    "dom.js",
    "say.js",
    "login.js",
    "jobs.js",
    "job.js",
    "remedies.js",
    "make.js",
    "upload.js",
    "destination.js",
    "webhooks.js",
    "deliveries.js",
    "keys.js",
    "members.js",
    "usage.js",
    "log.js",
    "profile.js",
}
