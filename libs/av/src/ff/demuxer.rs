//! Which of FFmpeg's demuxers may read a file, by what was sniffed of it.

use filetype::Filetype;

/// The demuxer that a file is read with. FFmpeg is not asked what a file is: it would show the bytes to
/// every demuxer that it has, and to the libraries of others behind some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demuxer(&'static str);

/// Media types, and the demuxer that reads them. Playlists, scripts, patterns of file names and
/// descriptions of sessions are none of them.
const DEMUXERS: &[(&[&str], &str)] = &[
    (
        &[
            "video/mp4",
            "video/quicktime",
            "video/3gpp",
            "video/3gpp2",
            "video/x-m4v",
            "video/mj2",
            "audio/mp4",
            "audio/x-m4a",
            "audio/m4a",
            "audio/3gpp",
            "audio/3gpp2",
            "audio/x-m4b",
            "audio/vnd.audible.aax",
            "video/x-f4v",
        ],
        "mov",
    ),
    (
        &[
            "video/x-matroska",
            "video/matroska",
            "video/webm",
            "audio/webm",
            "audio/x-matroska",
            "audio/matroska",
        ],
        "matroska",
    ),
    (&["video/x-msvideo", "video/avi", "video/vnd.avi"], "avi"),
    (&["application/mxf", "video/mxf"], "mxf"),
    (&["application/gxf", "video/gxf"], "gxf"),
    (&["video/mp2t"], "mpegts"),
    (&["video/mpeg", "video/mp2p", "video/x-mpeg"], "mpeg"),
    (
        &[
            "video/x-ms-asf",
            "application/vnd.ms-asf",
            "video/x-ms-wmv",
            "audio/x-ms-wma",
            "audio/x-ms-asf",
        ],
        "asf",
    ),
    (&["video/x-flv"], "flv"),
    (
        &[
            "video/ogg",
            "audio/ogg",
            "application/ogg",
            "audio/opus",
            "audio/vorbis",
            "audio/x-vorbis+ogg",
            "audio/speex",
        ],
        "ogg",
    ),
    (&["audio/flac", "audio/x-flac"], "flac"),
    (&["audio/x-wav", "audio/wav", "audio/vnd.wave", "audio/x-rf64"], "wav"),
    (&["audio/x-w64"], "w64"),
    (&["audio/x-aiff", "audio/aiff"], "aiff"),
    (&["audio/mpeg"], "mp3"),
    (&["audio/aac", "audio/aacp", "audio/x-aac", "audio/x-hx-aac-adts"], "aac"),
    (&["audio/amr", "audio/amr-nb", "audio/amr-wb"], "amr"),
    (&["audio/ac3", "audio/x-ac3"], "ac3"),
    (&["audio/eac3"], "eac3"),
    (&["audio/vnd.dts", "audio/vnd.dts.hd", "audio/dts"], "dts"),
    (&["audio/x-caf", "audio/caf"], "caf"),
    (&["audio/basic", "audio/x-au"], "au"),
    (&["audio/x-ape", "audio/ape"], "ape"),
    (&["audio/x-wavpack", "audio/wavpack"], "wv"),
    (&["audio/x-tta"], "tta"),
    (&["audio/x-musepack", "audio/musepack"], "mpc"),
    (&["audio/x-dsf", "audio/dsf"], "dsf"),
    (&["audio/x-voc"], "voc"),
    (
        &[
            "application/vnd.rn-realmedia",
            "audio/vnd.rn-realaudio",
            "audio/x-pn-realaudio",
            "video/vnd.rn-realvideo",
        ],
        "rm",
    ),
    (&["audio/x-realaudio"], "rm"),
    (&["audio/x-loas"], "loas"),
    (&["audio/x-8svx", "audio/x-dff"], "iff"),
    (&["video/h264"], "h264"),
    (&["video/h265"], "hevc"),
    (&["video/x-wtv"], "wtv"),
    (&["video/x-yuv4mpeg"], "yuv4mpegpipe"),
    (&["video/x-bink"], "bink"),
    (&["video/x-ivf"], "ivf"),
    (&["video/x-nut"], "nut"),
    (&["video/x-dv", "video/dv"], "dv"),
];

/// How many of a file's first bytes tell its [form](FORMS).
pub(crate) const FORM_BYTES: usize = 4;

/// Media types that two demuxers read, and the first bytes of those that are not read by the one in
/// the table but by this.
const FORMS: &[(&str, &[u8], &str)] =
    &[("video/mpeg", b"\0\0\x01\xb3", "mpegvideo"), ("audio/x-musepack", b"MPCK", "mpc8")];

impl Demuxer {
    /// For a file of that type that begins so, if there is one for it.
    pub(crate) fn of(filetype: &Filetype, head: &[u8]) -> Option<Self> {
        let is_form = |(kind, first, _): &&(&str, &[u8], &str)| {
            *kind == filetype.media_type && head.starts_with(first)
        };
        if let Some((.., name)) = FORMS.iter().find(is_form) {
            return Some(Self(name));
        }
        let (_, name) = DEMUXERS.iter().find(|(types, _)| types.contains(&filetype.media_type))?;
        Some(Self(name))
    }

    /// Its name with FFmpeg.
    pub(crate) const fn name(self) -> &'static str {
        self.0
    }
}

/// The decoders that may take part.
pub(crate) const CODECS: &str = "h264,hevc,vp8,vp9,libdav1d,mpeg1video,mpeg2video,mpegvideo,mpeg4,\
msmpeg4v1,msmpeg4v2,msmpeg4,h261,h263,h263i,h263p,flv,wmv1,wmv2,wmv3,vc1,vc1image,wmv3image,mss1,\
mss2,theora,vp3,vp4,vp5,vp6,vp6a,vp6f,vp7,mjpeg,mjpegb,ljpeg,jpegls,jpeg2000,prores,dnxhd,dvvideo,\
rawvideo,v210,v210x,v308,v408,v410,r210,r10k,yuv4,ayuv,ffv1,huffyuv,ffvhuff,hymt,utvideo,magicyuv,\
lagarith,cinepak,indeo2,indeo3,indeo4,indeo5,svq1,svq3,qtrle,rpza,smc,8bps,cfhd,png,bmp,tiff,\
msvideo1,msrle,tscc,tscc2,camstudio,zmbv,zlib,fraps,asv1,asv2,cljr,cyuv,aasc,rv10,rv20,rv30,rv40,\
snow,dirac,gif,webp,hap,flashsv,flashsv2,g2m,ulti,truemotion1,truemotion2,aic,hq_hqa,hqx,pixlet,\
sheervideo,speedhq,mts2,mvha,vble,loco,wcmv,screenpresso,targa,\
aac,aac_latm,mp3,mp3float,mp3adu,mp3adufloat,mp2,mp2float,mp1,mp1float,ac3,eac3,dca,truehd,mlp,\
flac,alac,vorbis,opus,libopus,speex,libspeex,wmav1,wmav2,wmapro,wmalossless,wmavoice,amrnb,amrwb,\
ape,wavpack,tta,mpc7,mpc8,cook,ra_144,ra_288,sipr,gsm,gsm_ms,qdm2,qdmc,g722,g723_1,g726,g726le,\
g729,atrac1,atrac3,atrac3p,als,shorten,tak,nellymoser,mace3,mace6,qcelp,evrc,ilbc,truespeech,\
8svx_exp,8svx_fib,binkvideo,binkaudio_dct,binkaudio_rdft,\
dsd_lsbf,dsd_msbf,dsd_lsbf_planar,dsd_msbf_planar,s302m,imc,iac,\
adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_swf,adpcm_yamaha,adpcm_g722,adpcm_g726,adpcm_g726le,\
adpcm_ct,adpcm_sbpro_2,adpcm_sbpro_3,adpcm_sbpro_4,\
pcm_alaw,pcm_mulaw,pcm_u8,pcm_s8,pcm_s8_planar,pcm_s16le,pcm_s16be,pcm_s16le_planar,\
pcm_s16be_planar,pcm_u16le,pcm_u16be,pcm_s24le,pcm_s24be,pcm_s24le_planar,pcm_u24le,pcm_u24be,\
pcm_s24daud,pcm_s32le,pcm_s32be,pcm_s32le_planar,pcm_u32le,pcm_u32be,pcm_s64le,pcm_s64be,pcm_f16le,\
pcm_f24le,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_dvd,pcm_bluray,pcm_lxf,pcm_vidc,pcm_sga";

#[cfg(test)]
mod tests {
    use filetype::Kind;

    use super::*;

    #[test]
    fn what_sniffing_tells_apart_is_read_by_one_demuxer() {
        for (media_type, head, name) in [
            ("audio/x-musepack", b"MPCK".as_slice(), "mpc8"),
            ("audio/x-musepack", b"MP+\x07", "mpc"),
            ("video/mpeg", b"\0\0\x01\xba", "mpeg"),
            ("video/mpeg", b"\0\0\x01\xb3", "mpegvideo"),
            ("audio/mpeg", b"ID3\x04", "mp3"),
        ] {
            let filetype = Filetype { kind: Kind::Sound, media_type, ..Filetype::UNKNOWN };
            let demuxer = Demuxer::of(&filetype, head).expect(media_type);
            assert_eq!(demuxer.name(), name, "{media_type} {head:?}");
        }
        for (_, name) in DEMUXERS {
            assert!(!name.contains(','), "{name}");
        }
    }

    #[test]
    fn no_demuxer_that_opens_other_files_is_in_the_table() {
        let other = [
            "hls",
            "dash",
            "concat",
            "sdp",
            "rtsp",
            "image2",
            "image2pipe",
            "imf",
            "lavfi",
            "applehttp",
            "webm_dash_manifest",
            "ffmetadata",
            "vobsub",
            "mpl2",
            "tedcaptions",
        ];
        let forms = FORMS.iter().map(|(.., name)| *name);
        for name in DEMUXERS.iter().map(|(_, name)| *name).chain(forms) {
            assert!(!other.contains(&name), "{name}");
        }
    }
}
