//! Two API processes over one log: whatever one has answered, the other knows.

use testkit::{Source, SourceServer, Stack, WebhookReceiver, pictures};

use crate::jobs;

#[tokio::test(flavor = "multi_thread")]
async fn a_read_on_the_other_replica_right_after_the_webhook_shows_the_same_final_state() {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let stack = Stack::start(2, &[sources.port(), hooks.port()], &[]).await;
    let (first, second) = (stack.caller(0), stack.caller(1));
    let good = sources.put("/photograph.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let gone = sources.url("/gone.jpg");
    for round in 0..20 {
        let source = if round % 4 == 3 { &gone } else { &good };
        let id = jobs::hand_in(&first, source, &hooks.url("/hook")).await;
        let told = jobs::webhook(&hooks, &id).await.json();
        let read = jobs::body(&second, &id).await;
        assert_eq!(read, told, "round {round}");
        let expected = if round % 4 == 3 { "failure" } else { "success" };
        assert_eq!(read["status"], expected, "round {round}: {read}");
    }
}
