//! Small well-formed files of our own, to be broken by `mutations`.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};

use super::bits::{be32, le16, le32, riff};
use super::packs::{stored, zip};
use super::pdfs::{page_of, pdf_of};

/// One small file of every kind that we can write ourselves.
pub(super) fn all() -> Vec<(String, Vec<u8>)> {
    let photo = DynamicImage::ImageRgb8(RgbImage::from_fn(40, 30, |x, y| {
        image::Rgb([(x * 6) as u8, (y * 8) as u8, (x ^ y) as u8])
    }));
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_fn(24, 24, |x, y| {
        image::Rgba([200, (x * 9) as u8, 10, (y * 10) as u8])
    }));
    let mut seeds = Vec::new();
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::Gif,
        ImageFormat::WebP,
        ImageFormat::Tiff,
        ImageFormat::Bmp,
    ] {
        let mut bytes = Cursor::new(Vec::new());
        photo.write_to(&mut bytes, format).expect("encoded");
        seeds.push((format!("{format:?}"), bytes.into_inner()));
    }
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let mut bytes = Cursor::new(Vec::new());
        clear.write_to(&mut bytes, format).expect("encoded");
        seeds.push((format!("clear {format:?}"), bytes.into_inner()));
    }
    let pixels: Vec<u8> = photo.to_rgb8().into_raw();
    seeds.push(("ppm".into(), [&b"P6\n40 30\n255\n"[..], &pixels].concat()));
    let qoi: Vec<u8> = pixels.chunks(3).flat_map(|pixel| [&[0xfe], pixel].concat()).collect();
    seeds.push((
        "qoi".into(),
        [b"qoif", &be32(40)[..], &be32(30), &[3, 0], &qoi, &[0, 0, 0, 0, 0, 0, 0, 1]].concat(),
    ));
    seeds.push((
        "tga".into(),
        [&[0, 0, 2][..], &[0; 9], &le16(40), &le16(30), &[24, 0], &pixels].concat(),
    ));
    let psd = [
        &b"8BPS\0\x01\0\0\0\0\0\0\0\x03"[..],
        &be32(30),
        &be32(40),
        &[0, 8, 0, 3],
        &[0; 12],
        &[0, 0],
        &pixels,
    ];
    seeds.push(("psd".into(), psd.concat()));
    let tone: Vec<u8> =
        (0..2_000u32).flat_map(|step| le16(((step * 997) % 20_000) as u16)).collect();
    let format =
        [&le16(1)[..], &le16(1), &le32(8_000), &le32(16_000), &le16(2), &le16(16)].concat();
    seeds.push((
        "wav".into(),
        riff(b"RIFF", &[&b"WAVE"[..], &riff(b"fmt ", &format), &riff(b"data", &tone)].concat()),
    ));
    let content =
        b"<</Length 44>>\nstream\nBT /F 24 Tf 20 700 Td (Hello) Tj ET 9 9 99 99 re f\nendstream"
            .to_vec();
    let font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_vec();
    seeds.push((
        "pdf".into(),
        page_of("/MediaBox[0 0 300 400]/Resources<</Font<</F 5 0 R>>>>", content, &[font]),
    ));
    seeds.push(("pdf without pages".into(), pdf_of(&[b"<</Type/Catalog>>".to_vec()])));
    seeds.push(("zip".into(), zip(&[stored("a.txt", b"hello"), stored("b/c.txt", &[b'x'; 200])])));
    let svg = br##"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 30"><defs><linearGradient id="g"><stop offset="0" stop-color="red"/><stop offset="1"/></linearGradient></defs><rect width="40" height="30" fill="url(#g)"/><path d="M1 1C9 9 20 3 30 20z" opacity=".5"/><text x="3" y="9">x</text></svg>"##;
    seeds.push(("svg".into(), svg.to_vec()));
    seeds.push(("eml".into(), b"From: a@example.org\r\nSubject: =?utf-8?Q?gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>hello\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n".to_vec()));
    seeds.push((
        "rtf".into(),
        br"{\rtf1\ansi{\fonttbl{\f0 Times;}}\f0\fs24 Hello \b world\b0\par}".to_vec(),
    ));
    seeds.push(("json".into(), br#"{"a":[1,2.5,null,true,"x\u00e9"],"b":{"c":{}}}"#.to_vec()));
    seeds.push(("csv".into(), b"name,number\n\"a \"\"b\"\"\",1\nc,2\n".to_vec()));
    seeds.push(("markdown".into(), b"# Title\n\n* a [link](http://example.org)\n\n```rust\nfn main() {}\n```\n\n|a|b|\n|-|-|\n|1|2|\n".to_vec()));
    seeds
}
