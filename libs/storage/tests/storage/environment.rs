//! The environment has no say: not in who writes, not in where to, not in how it gets there.

use std::net::TcpListener;

use tempfile::TempDir;

use crate::{child, world::World};

#[tokio::test]
async fn credentials_endpoints_and_proxies_of_the_environment_are_never_used() {
    let world = World::start().await;
    // Whoever asks the metadata service, the container's endpoint or a proxy ends up here.
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let trap_url = format!("http://{}", trap.local_addr().unwrap());
    let home = TempDir::new().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let profile = "[default]\naws_access_key_id = ADMINKEY\naws_secret_access_key = admin-secret-5f1c\nregion = us-west-9\n";
    let credentials = home.path().join(".aws/credentials");
    std::fs::write(&credentials, profile).unwrap();
    std::fs::write(home.path().join(".aws/config"), profile).unwrap();

    let mut command = child::command("puts_as_told");
    command
        .env("TEST_ENDPOINT", &world.endpoint)
        .env("HOME", home.path())
        .env("AWS_SHARED_CREDENTIALS_FILE", &credentials)
        .env("AWS_CONFIG_FILE", home.path().join(".aws/config"))
        // The right credentials: the child's own are wrong at first, and must stay so.
        .env("AWS_ACCESS_KEY_ID", "ADMINKEY")
        .env("AWS_SECRET_ACCESS_KEY", "admin-secret-5f1c")
        .env("AWS_REGION", "us-west-9");
    for name in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env(name, &trap_url);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    let output = child::ended(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let caught = trap.accept();
    assert!(caught.is_err(), "{caught:?} asked the environment's endpoint");
}

#[test]
fn the_sdk_is_built_without_the_crate_that_looks_for_credentials() {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    assert!(lock.contains("name = \"aws-sdk-s3\"") && !lock.contains("name = \"aws-config\""));
}
