//! Where checkpoints go beside the log: a folder, a bucket, a receiver, and a witness that signs.

use std::{fs, time::Duration};

use eventlog::Statement;
use evidence::{
    checkpoint::Checkpoint,
    note::{Kind, Verifier},
};
use notary::settings::{Settings, Webhook, Witness as WitnessSettings};
use storage::{Network, Patience, Reader};
use testkit::{Lapse, Reply, S3, WebhookReceiver, Witness, eventually, until_some};
use vault::webhook::SigningSecret;

use crate::support::{PATIENCE, STREAM, Scene, statements};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn allow(settings: &mut Settings, ports: &[u16]) {
    let allow: Vec<String> = ports.iter().map(|port| format!("127.0.0.1/32:{port}")).collect();
    settings.egress.allow = allow.join(",").parse().unwrap();
}

async fn witness(scene: &Scene, settings: &mut Settings) -> Witness {
    let key = scene.key("a");
    let keys =
        evidence::STREAMS.map(|stream| key.named(format!("here.example/{stream}")).to_string());
    let witness = Witness::start(&keys).await;
    allow(settings, &[witness.port()]);
    let (url, key) = (witness.url(), witness.key());
    settings.notary.witnesses = vec![WitnessSettings { url, key }];
    witness
}

#[tokio::test]
async fn a_checkpoint_goes_to_a_folder_a_bucket_and_a_receiver() {
    let (scene, s3, receiver) =
        (Scene::start().await, S3::start().await, WebhookReceiver::start().await);
    let mut settings = scene.settings("a");
    allow(&mut settings, &[receiver.port()]);
    settings.notary.folder = Some(scene.folder("elsewhere"));
    settings.notary.bucket = Some(s3.settings());
    settings.notary.webhook =
        Some(Webhook { url: receiver.url("/hook"), secret: eventlog::Secret::new(SECRET) });
    // The first answer is no success: it is told again.
    receiver.script([Reply::Status(500)]);
    scene.append(7).await;
    let notary = scene.run(&settings);
    scene.signed(7).await;
    let key = scene.key("a").named(format!("here.example/{STREAM}"));
    let open = |text: &str| Checkpoint::open(text, std::slice::from_ref(&key)).unwrap().0;

    let path = scene.folder("elsewhere").join(format!("{STREAM}.checkpoint"));
    let text =
        until_some("the folder has it", PATIENCE, || async { fs::read_to_string(&path).ok() })
            .await;
    assert_eq!(open(&text).size, 7);

    let network = Network::direct(Patience::default());
    let reader = Reader::open(s3.settings().destination().unwrap(), &network).await.unwrap();
    let object = format!("here.example/{STREAM}/00000000000000000007.checkpoint");
    let found = until_some("the bucket has it", PATIENCE, || async {
        reader.get(&object, 10_000).await.ok()
    })
    .await;
    assert_eq!(found.bytes, text);

    let received = receiver.wait_for(2, PATIENCE).await;
    let post = &received[1];
    assert_eq!(post.header("webhook-id"), received[0].header("webhook-id"));
    let (id, seconds) = (post.header("webhook-id"), post.header("webhook-timestamp"));
    let parts = [id.as_bytes(), b".", seconds.as_bytes(), b".", &post.body];
    let expected = SigningSecret::read(SECRET).unwrap().signature(&parts);
    assert_eq!(post.header("webhook-signature"), expected);
    let body = post.json();
    assert_eq!((&body["type"], &body["data"]["size"]), (&"checkpoint.signed".into(), &7.into()));
    assert_eq!(open(body["data"]["checkpoint"].as_str().unwrap()).size, 7);
    notary.stop().await;
}

#[tokio::test]
async fn a_witness_signs_each_tree_that_continues_what_it_saw() {
    let scene = Scene::start().await;
    let mut settings = scene.settings("a");
    let witness = witness(&scene, &mut settings).await;
    settings.notary.folder = Some(scene.folder("elsewhere"));
    let (origin, log) = (format!("here.example/{STREAM}"), scene.nats.log("auditor").await);
    let keys = || {
        let witness: Verifier = witness.key().parse().unwrap();
        [scene.key("a").named(origin.clone()), witness]
    };
    let mut size = 0;
    for more in [3, 300, 1] {
        // A notary that starts anew knows nothing of what the witness saw, and asks.
        let notary = scene.run(&settings);
        scene.append(more).await;
        size += more as u64;
        eventually("the witness signed", PATIENCE, || async {
            witness.seen(&origin) == Some(size)
        })
        .await;
        let text = until_some("what it signed is in the log", PATIENCE, || async {
            let last = statements(&log, Statement::Cosigned).await.pop()?;
            let text = String::from_utf8(last.body.to_vec()).unwrap();
            let (checkpoint, signed) = Checkpoint::open(&text, &keys()).unwrap();
            let kinds: Vec<Kind> = signed.iter().map(|signed| signed.by.kind()).collect();
            assert_eq!(kinds, [Kind::Note, Kind::Cosignature]);
            (checkpoint.size == size).then_some(text)
        })
        .await;
        let path = scene.folder("elsewhere").join(format!("{STREAM}.checkpoint"));
        eventually("the folder has both signatures", PATIENCE, || async {
            fs::read_to_string(&path).is_ok_and(|found| found == text)
        })
        .await;
        notary.stop().await;
    }
    let statuses: Vec<u16> = witness.requests().iter().map(|(status, _)| *status).collect();
    assert!(
        statuses.contains(&409) && statuses.iter().all(|it| [200, 409].contains(it)),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_witness_that_is_away_or_lies_stops_nothing_and_its_signature_is_not_taken() {
    let scene = Scene::start().await;
    let mut settings = scene.settings("a");
    let witness = witness(&scene, &mut settings).await;
    let log = scene.nats.log("auditor").await;
    let notary = scene.run(&settings);
    let mut size = 0;
    for lapse in [Lapse::Imposture, Lapse::Status(500), Lapse::Silence] {
        witness.lapse(Some(lapse));
        for _ in 0..3 {
            scene.append(1).await;
            size += 1;
            scene.signed(size).await;
        }
        assert!(statements(&log, Statement::Cosigned).await.is_empty(), "{lapse:?}");
    }
    notary.stop().await;
    // It comes back to its senses, and sees what it signed meanwhile without our knowing.
    witness.lapse(None);
    let notary = scene.run(&settings);
    scene.append(1).await;
    let patience = PATIENCE + Duration::from_secs(30);
    eventually("the witness signed again", patience, || async {
        !statements(&log, Statement::Cosigned).await.is_empty()
    })
    .await;
    scene.signed(size + 1).await;
    notary.stop().await;
    assert_eq!(scene.audit(&scene.key("a")).await.last(), Some(&(size + 1)));
}
