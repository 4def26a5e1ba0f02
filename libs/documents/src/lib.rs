//! Documents: text, tables, code, e-mails, books, fonts and archives, drawn as their readers would
//! want them; and an icon for everything else.
//!
//! Pages are laid out here and drawn on the easel of `stills`. Letters come from the fonts handed
//! in and from nowhere else. Whatever a file says of itself is cut to limits before it is believed;
//! nothing here opens a file, a socket or a thread.

mod archive;
mod book;
mod draw;
mod facts;
mod font;
mod icon;
mod mail;
mod markup;
mod office;
mod page;
mod text;
mod unzip;

pub use draw::{draw, draws};
pub use icon::icon;
pub use office::{office, office_thumbnail};
pub use page::letters::Fonts;
