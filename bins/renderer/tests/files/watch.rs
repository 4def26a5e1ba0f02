//! What nothing may touch: files whose opening is noticed, ports whose use is noticed, and the
//! memory of the renderers.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::inotify;

/// What the lures hold; it must never come out.
pub(crate) const MARKER: &str = "the-lure-was-read";
/// The colour of the lure that is a picture; no malformed file has it.
pub(crate) const LURE_COLOUR: [u8; 3] = [255, 0, 255];

/// Files and ports that must stay untouched.
pub(crate) struct Lures {
    folder: tempfile::TempDir,
    watch: rustix::fd::OwnedFd,
    tcp: TcpListener,
    udp: UdpSocket,
}

impl Lures {
    pub(crate) fn lay() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["lure.txt", "lure.ts", "lure.svg", "lure.dtd"] {
            std::fs::write(at(name), MARKER).expect("a lure");
        }
        for name in ["lure.png", "1", "001.png", "lure01.jpg"] {
            let picture = image::RgbImage::from_pixel(64, 64, image::Rgb(LURE_COLOUR));
            let mut file = File::create(at(name)).expect("a lure");
            picture.write_to(&mut file, image::ImageFormat::Png).expect("a lure");
        }
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).expect("a watch");
        let opened = inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS;
        inotify::add_watch(&watch, folder.path(), opened).expect("a watch");
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        tcp.set_nonblocking(true).expect("set");
        let udp = UdpSocket::bind(tcp.local_addr().expect("an address")).expect("a port");
        udp.set_nonblocking(true).expect("set");
        Self { folder, watch, tcp, udp }
    }

    pub(crate) fn named(&self) -> crate::hostile::Lures {
        crate::hostile::Lures {
            folder: self.folder.path().to_str().expect("a name").to_owned(),
            address: self.tcp.local_addr().expect("an address").to_string(),
        }
    }

    /// Fails if anybody opened a file or spoke to a port.
    pub(crate) fn assert_untouched(&self) {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4_096];
        let mut events = inotify::Reader::new(&self.watch, &mut buffer);
        while let Ok(event) = events.next() {
            // Whoever lists the folder passes by; whoever opens what lies in it was lured.
            assert!(event.file_name().is_none(), "a lure was opened: {event:?}");
        }
        let caller = self.tcp.accept().map(|(_, address)| address);
        assert!(caller.is_err(), "somebody connected: {caller:?}");
        let sender = self.udp.recv_from(&mut [0; 64]);
        assert!(sender.is_err(), "somebody sent: {sender:?}");
    }

    /// Whether the watch works at all: opens a lure and looks.
    pub(crate) fn assert_watched(&self) {
        File::open(self.folder.path().join("lure.txt")).expect("opened");
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4_096];
        let mut events = inotify::Reader::new(&self.watch, &mut buffer);
        assert!(events.next().is_ok(), "the watch does not see an opened lure");
        while events.next().is_ok() {}
    }
}

/// Looks at the memory of every process that runs an executable, until dropped.
pub(crate) struct Memory {
    highest: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    looker: Option<JoinHandle<()>>,
}

const LOOK: Duration = Duration::from_millis(20);

impl Memory {
    /// Of processes whose name is one of `names`.
    pub(crate) fn of(names: Vec<String>) -> Self {
        let (highest, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (high, end) = (Arc::clone(&highest), Arc::clone(&over));
        let looker = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                for process in processes(&names) {
                    high.fetch_max(peak(&process).unwrap_or(0), Ordering::Relaxed);
                }
                std::thread::sleep(LOOK);
            }
        });
        Self { highest, over, looker: Some(looker) }
    }

    /// The most resident memory that one of them had, in bytes.
    pub(crate) fn highest(&self) -> u64 {
        self.highest.load(Ordering::Relaxed)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.looker.take().map(JoinHandle::join);
    }
}

/// Folders in /proc of the processes with one of these names.
pub(crate) fn processes(names: &[String]) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc").expect("listed").flatten().map(|entry| entry.path());
    all.filter(|path| {
        std::fs::read_to_string(path.join("comm"))
            .is_ok_and(|comm| names.iter().any(|name| comm.trim_end() == name))
    })
    .collect()
}

fn peak(process: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}
