//! An internet of a test's own: a network namespace in which every address of both families answers,
//! so that what a program calls is seen by who was called.
//!
//! A test that begins with [`Internet::enter`] is run a second time, alone, in the namespace. There
//! the loopback interface takes packets for all addresses, servers listen at the ports of the web, and
//! a name server answers what the test tells it to. The kernel counts the connections begun, so that
//! one to a port where nobody listens is known too.

mod names;

use std::{
    fs::{self, Permissions},
    io::Write as _,
    net::{Ipv6Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

pub use names::{Question, Record};

use crate::{Finish as _, until_some, within};

/// Tells a test that it runs inside, and how far it got.
const INSIDE: &str = "DARKROOM_TEST_INTERNET";
/// Inside, with the rights to set it up.
const TO_SET_UP: &str = "to set up";
/// Inside, and everything is set up.
const SET_UP: &str = "set up";
/// What makes the namespace, for `ip`.
const ROUTES: [&str; 3] = [
    "link set lo up",
    "route add local 0.0.0.0/0 dev lo table main",
    "-6 route add local ::/0 dev lo table main",
];
/// From which port on anybody may listen, as the kernel has it.
const FIRST_FREE_PORT: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
/// Where every address answers.
const PORTS: [u16; 4] = [80, 443, 8080, 8443];
/// The longest head of a request that is read, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// How long the test may take inside.
const ENDS_WITHIN: Duration = Duration::from_secs(300);
/// How long a connection that was begun may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Call {
    /// The address and port that were called.
    pub to: SocketAddr,
    /// The head of the request; empty where none came, or none that is plain HTTP.
    pub head: String,
}

impl Call {
    /// The path and query asked for.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

/// Every address, and who called it.
pub struct Internet {
    reached: Arc<Mutex<Vec<SocketAddr>>>,
    names: Arc<names::Names>,
    opened_before: u64,
    _serving: JoinSet<()>,
}

impl Internet {
    /// Runs the test of this name once more inside and gives nothing; inside, gives the internet.
    /// Every call is answered with the bytes that `answers` makes of it, names as `zone` says. `more`
    /// is for `ip` to do.
    ///
    /// # Panics
    /// When the test failed inside, or there is no way in: `unshare`, `mount` and `ip` make it.
    pub async fn enter(
        test: &str,
        more: &[&str],
        zone: impl Fn(&Question<'_>) -> Option<Vec<Record>> + Send + Sync + 'static,
        answers: impl Fn(&Call) -> Vec<u8> + Send + Sync + 'static,
    ) -> Option<Self> {
        let is_root = rustix::process::geteuid().is_root();
        match std::env::var_os(INSIDE) {
            None if is_root => run_inside(test, &["--net", "--mount"], TO_SET_UP).await,
            None => run_inside(test, &["--map-root-user", "--net", "--mount"], TO_SET_UP).await,
            Some(stage) if stage == TO_SET_UP => {
                set_up(more);
                // Those who are root here alone could not give up rights as renderers do.
                let (user, group) = ("--map-user=1000", "--map-group=1000");
                let way: &[&str] = if is_root_outside() { &[] } else { &[user, group] };
                run_inside(test, way, SET_UP).await;
            }
            Some(_) => return Some(Self::open(zone, answers).await),
        }
        None
    }

    async fn open(
        zone: impl Fn(&Question<'_>) -> Option<Vec<Record>> + Send + Sync + 'static,
        answers: impl Fn(&Call) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let mut serving = JoinSet::new();
        let names = Arc::new(names::Names::new(zone));
        names.serve(&mut serving).await;
        let (reached, answers) = (Arc::default(), Arc::new(answers));
        for port in PORTS {
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await.unwrap();
            serving.spawn(serve(listener, Arc::clone(&reached), Arc::clone(&answers)));
        }
        let opened_before = opened();
        let _serving = serving;
        Self { reached, names, opened_before, _serving }
    }

    /// Who was called, in order.
    ///
    /// # Panics
    /// Never, unless a server did.
    #[must_use]
    pub fn reached(&self) -> Vec<SocketAddr> {
        self.reached.lock().unwrap().clone()
    }

    /// How many TCP connections anybody in here has begun, as the kernel counts them; those to the
    /// name server are not counted.
    ///
    /// # Panics
    /// When the kernel does not say.
    #[must_use]
    pub fn opened(&self) -> u64 {
        opened() - self.opened_before - self.names.asked_over_tcp()
    }

    /// How often addresses of a name were asked for, both families counted.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        self.names.asked(name)
    }

    /// Who was called, once every connection that was begun has been seen.
    ///
    /// # Panics
    /// When one was begun that nobody saw.
    pub async fn settled(&self) -> Vec<SocketAddr> {
        until_some("every connection is seen by a server", SEEN_WITHIN, || async {
            let reached = self.reached();
            (reached.len() as u64 == self.opened()).then_some(reached)
        })
        .await
    }
}

/// The kernel's count of connections begun in this network namespace.
fn opened() -> u64 {
    let table = fs::read_to_string("/proc/self/net/snmp").unwrap();
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let at = names.split(' ').position(|name| name == "ActiveOpens").unwrap();
    values.split(' ').nth(at).unwrap().parse().unwrap()
}

/// Runs the test alone, in namespaces of its own.
async fn run_inside(test: &str, namespaces: &[&str], stage: &str) {
    let executable = std::env::current_exe().unwrap();
    let mut child = tokio::process::Command::new("unshare");
    child
        .args(namespaces)
        .arg("--")
        .arg(executable)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, stage)
        .kill_on_drop(true);
    let what = format!("{test}, which runs inside, ends");
    let output = within(&what, ENDS_WITHIN, child.output()).await.expect("unshare, of util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{test} in a network of its own: {}\n{said}\n{wrong}", output.status);
}

/// Whether root here is root of the machine, too: then every user is there.
fn is_root_outside() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    map.split_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"]
}

fn set_up(more: &[&str]) {
    for arguments in ROUTES.iter().chain(more) {
        run("ip", &arguments.split(' ').collect::<Vec<_>>());
    }
    fs::write(FIRST_FREE_PORT, "0").unwrap();
    let mut resolv_conf = NamedTempFile::new().unwrap();
    resolv_conf.write_all(b"nameserver 127.0.0.1\n").unwrap();
    // Everybody may read it, and it stays there when its name is gone.
    fs::set_permissions(resolv_conf.path(), Permissions::from_mode(0o644)).unwrap();
    run("mount", &["--bind", resolv_conf.path().to_str().unwrap(), "/etc/resolv.conf"]);
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).finish();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {wrong}", arguments.join(" "));
}

async fn serve(
    listener: TcpListener,
    reached: Arc<Mutex<Vec<SocketAddr>>>,
    answers: Arc<impl Fn(&Call) -> Vec<u8> + Send + Sync + 'static>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let to = stream.local_addr().unwrap();
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        reached.lock().unwrap().push(to);
        let answers = Arc::clone(&answers);
        connections.spawn(async move { answer(stream, to, answers.as_ref()).await });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers one request and hangs up.
async fn answer(mut stream: TcpStream, to: SocketAddr, answers: &impl Fn(&Call) -> Vec<u8>) {
    let mut head = Vec::new();
    // Whoever begins with something else speaks TLS, which nobody here does.
    let is_plain = |head: &[u8]| head.first().is_none_or(u8::is_ascii_uppercase);
    while is_plain(&head) && !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_hung_up) => break,
        }
    }
    let call = Call { to, head: String::from_utf8(head).unwrap_or_default() };
    // Whoever asked may be gone.
    let _ = stream.write_all(&answers(&call)).await;
    let _ = stream.shutdown().await;
}
