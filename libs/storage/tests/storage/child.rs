//! Parts of tests that need a process of their own: this same program, run again for one function.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

/// How this program is told to become `name`, one of the ignored functions below.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", &format!("child::{name}")]);
    command.stdout(Stdio::piped());
    command
}

/// The rest of the child's line that begins with `label`, which must come soon.
pub(crate) fn line(child: &mut Child, label: &'static str) -> String {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (sender, found) = mpsc::channel();
    std::thread::spawn(move || {
        let mut found = lines.filter_map(|line| Some(line.split_once(label)?.1.to_owned()));
        found.next().map(|line| sender.send(line))
    });
    let found = found.recv_timeout(Duration::from_secs(30));
    found.unwrap_or_else(|error| panic!("the child says no {label}: {error}"))
}

/// What became of the child, which must end soon.
pub(crate) async fn ended(command: Command) -> Output {
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(60), command.output());
    ended.await.expect("the child ends in time").unwrap()
}

#[allow(clippy::disallowed_methods, reason = "how a test hands values to its child")]
fn given(name: &str) -> String {
    std::env::var(name).unwrap()
}

mod functions {
    use std::net::SocketAddr;

    use storage::{Bucket, Error, Network, embedded::Server};
    use tokio_util::sync::CancellationToken;

    use super::given;
    use crate::world::{HASTE, admin, destination, keys, options, put};

    pub(super) async fn serve() {
        let data = tempfile::TempDir::new().unwrap();
        let mut options = options(&data);
        options.data = given("TEST_DATA").into();
        options.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(options).await.unwrap();
        println!("\nendpoint={}", server.endpoint());
        server.serve(CancellationToken::new()).await;
    }

    pub(super) async fn put_as_told() {
        let endpoint = given("TEST_ENDPOINT");
        let network = Network::direct(HASTE);
        let open = |credentials| Bucket::open(destination(&endpoint, credentials), &network);
        let wrong = open(keys("NOBODY", "nothing")).await.unwrap();
        let refused = put(&wrong, "a", b"1").await;
        assert!(matches!(refused, Err(Error::Credentials(_))), "{refused:?}");
        let right = open(admin()).await.unwrap();
        put(&right, "a", b"1").await.unwrap();
    }
}

#[tokio::test]
#[ignore = "run in a process of its own by the crash tests"]
async fn serves() {
    functions::serve().await;
}

#[tokio::test]
#[ignore = "run in a process of its own by the environment tests"]
async fn puts_as_told() {
    functions::put_as_told().await;
}
