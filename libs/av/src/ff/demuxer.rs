//! Which of FFmpeg's demuxers may read a file, by what was sniffed of it.

use filetype::{Filetype, Kind};

/// The demuxers that a file may be read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demuxer(&'static str);

/// Media types, and the demuxers that read them. Where there are several, FFmpeg looks at the
/// bytes and may pick one of these alone. Playlists, scripts, patterns of file names and
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
    (&["video/mpeg", "video/mp2p", "video/x-mpeg"], "mpeg,mpegvideo"),
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
    (&["audio/mpeg"], "mp3,aac,flac,ac3,tta,ape,mpc,mpc8,wv"),
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
    (&["audio/x-musepack", "audio/musepack"], "mpc,mpc8"),
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

/// Media types that several demuxers read, the first bytes of each form, and the demuxer of it.
const FORMS: &[(&str, &[u8], &str)] = &[
    ("video/mpeg", b"\0\0\x01\xba", "mpeg"),
    ("video/mpeg", b"\0\0\x01\xb3", "mpegvideo"),
    ("audio/x-musepack", b"MPCK", "mpc8"),
    ("audio/x-musepack", b"MP+", "mpc"),
];

/// Of a film or a sound whose media type is not in the table: every demuxer that is.
const ANY: &str = "mov,matroska,avi,mxf,gxf,mpegts,mpeg,asf,flv,ogg,flac,wav,w64,aiff,mp3,aac,amr,\
                   ac3,eac3,dts,dtshd,caf,au,ape,wv,tta,mpc,mpc8,dsf,voc,rm,ivf,nut,dv";

impl Demuxer {
    /// For a file of that type that begins so, if it is a film or a sound.
    pub(crate) fn of(filetype: &Filetype, head: &[u8]) -> Option<Self> {
        let mut forms = FORMS.iter().filter(|(kind, ..)| *kind == filetype.media_type);
        if let Some((.., name)) = forms.find(|(_, first, _)| head.starts_with(first)) {
            return Some(Self(name));
        }
        // Without a tag before it, behind which other sounds may be as well.
        if filetype.media_type == "audio/mpeg"
            && matches!(head, [0xff, second, ..] if second & 0xe0 == 0xe0)
        {
            return Some(Self("mp3"));
        }
        let known = DEMUXERS.iter().find(|(types, _)| types.contains(&filetype.media_type));
        match (known, filetype.kind) {
            (Some((_, names)), _) => Some(Self(names)),
            (None, Kind::Film | Kind::Sound) => Some(Self(ANY)),
            (None, _) => None,
        }
    }

    /// Their names, separated by commas.
    pub(crate) const fn names(self) -> &'static str {
        self.0
    }

    /// Its name, if there is but one.
    pub(crate) fn only(self) -> Option<&'static str> {
        if self.0.contains(',') { None } else { Some(self.0) }
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
    use super::*;

    #[test]
    fn what_sniffing_tells_apart_is_read_by_one_demuxer() {
        let wav = |form: &[u8]| [b"RIFF\x24\0\0\0", form].concat();
        for (media_type, head, only) in [
            ("audio/x-wav", wav(b"WAVE"), "wav"),
            ("audio/x-w64", b"riff".to_vec(), "w64"),
            ("audio/amr", b"#!AM".to_vec(), "amr"),
            ("audio/amr-wb", b"#!AM".to_vec(), "amr"),
            ("audio/ac3", b"\x0b\x77".to_vec(), "ac3"),
            ("audio/eac3", b"\x0b\x77".to_vec(), "eac3"),
            ("audio/vnd.dts", b"\x7f\xfe\x80\x01".to_vec(), "dts"),
            ("audio/aac", b"\xff\xf1".to_vec(), "aac"),
            ("audio/x-loas", b"\x56\xe0".to_vec(), "loas"),
            ("audio/x-musepack", b"MPCK".to_vec(), "mpc8"),
            ("audio/x-musepack", b"MP+\x07".to_vec(), "mpc"),
            ("audio/mpeg", b"\xff\xfb\x90\0".to_vec(), "mp3"),
            ("video/mpeg", b"\0\0\x01\xba".to_vec(), "mpeg"),
            ("video/mpeg", b"\0\0\x01\xb3".to_vec(), "mpegvideo"),
        ] {
            let filetype = Filetype { kind: Kind::Sound, media_type, ..Filetype::UNKNOWN };
            let demuxer = Demuxer::of(&filetype, &head).expect(media_type);
            assert_eq!(demuxer.only(), Some(only), "{media_type} {head:?}");
        }
        // Behind a tag anything may be that such tags are put before.
        let mp3 = Filetype { kind: Kind::Sound, media_type: "audio/mpeg", ..Filetype::UNKNOWN };
        assert_eq!(Demuxer::of(&mp3, b"ID3\x04").expect("known").only(), None);
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
        let all = DEMUXERS.iter().map(|(_, names)| *names).chain([ANY]);
        for name in all.flat_map(|names| names.split(',')) {
            assert!(!other.contains(&name), "{name}");
        }
    }
}
