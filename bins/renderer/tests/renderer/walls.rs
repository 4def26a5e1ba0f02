//! What the walls hold.

use crate::config;

#[tokio::test]
async fn every_way_out_is_closed() {
    let proof = enclave::prove(&config()).await.expect("the walls hold");
    for (attempt, outcome) in &proof.attempts {
        println!("{attempt}: {outcome}");
    }
    println!("{:?}", proof.walls);
    assert!(proof.walls.contains(&"seccomp".to_owned()));
}
