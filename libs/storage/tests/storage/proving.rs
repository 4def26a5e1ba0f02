//! Whether a bucket is proven write-only, by real servers with real answers.

use domain::proof::{Access, Standing};
use storage::{Destination, PROBE_KEY, prove};

use crate::world::{World, admin, destination, keys, writer};

#[tokio::test]
async fn a_credential_that_may_only_write_is_proven_to() {
    let world = World::start().await;
    let proof = prove(destination(&world.endpoint, writer()), &world.network).await.unwrap();
    assert_eq!((proof.standing(), proof.put), (Standing::WriteOnly, Access::Allowed));
    let left = world.reader(admin()).await.get(PROBE_KEY, 4_096).await.unwrap();
    assert!(left.content_type.starts_with("text/plain"), "{left:?}");
    // Proven again, the probe is replaced and nothing piles up.
    let again = prove(destination(&world.endpoint, writer()), &world.network).await.unwrap();
    assert_eq!(again.standing(), Standing::WriteOnly);
    assert_eq!(world.reader(admin()).await.list("", 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_credential_that_may_more_is_found_out_and_the_probe_goes() {
    let world = World::start().await;
    let below = Destination { prefix: "a/".to_owned(), ..destination(&world.endpoint, admin()) };
    let proof = prove(below, &world.network).await.unwrap();
    assert_eq!(proof.standing(), Standing::Readable);
    assert_eq!(proof.excess(), ["GET", "HEAD", "LIST", "DELETE"]);
    assert!(world.reader(admin()).await.list("", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_credential_that_may_nothing_leaves_the_bucket_closed() {
    let world = World::start().await;
    let stranger = destination(&world.endpoint, keys("NOBODY", "nothing"));
    let proof = prove(stranger, &world.network).await.unwrap();
    assert_eq!(proof.standing(), Standing::Closed);
}
