//! A server that says all the time that its tools changed: 51.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use patchbay_mcpclient::{Target, Timeouts};
use serde_json::json;
use tokio::time::Instant;

use super::{
    lab::{ERAS, Lab, report, short},
    old_peer::{OldPeer, Told},
};
use crate::fake::{self, Fake, Seen, text_of};

fn changed() -> String {
    fake::event(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}))
}

/// Longer than the five seconds between two lists.
const STORM: Duration = Duration::from_millis(5600);
/// How long the tool takes.
const WORK: Duration = Duration::from_millis(500);

/// A list and a call: how long it took.
async fn turn(lab: &Lab, target: &Target) -> Duration {
    let started = Instant::now();
    lab.list(target).await.unwrap();
    assert_eq!(text_of(&lab.call(target, fake::echo("x")).await), "x");
    started.elapsed()
}

async fn turns_during(lab: &Lab, target: &Target, fake: &Fake, storm: &AtomicBool) {
    let mut calm = Vec::new();
    for _ in 0..2 {
        calm.push(turn(lab, target).await);
    }
    let lists_before = fake.count("tools/list");
    assert_eq!(lists_before, 1);
    storm.store(true, Ordering::SeqCst);
    let (started, mut stormy) = (Instant::now(), Vec::new());
    while started.elapsed() < STORM {
        stormy.push(turn(lab, target).await);
    }
    storm.store(false, Ordering::SeqCst);
    let lists = fake.count("tools/list") - lists_before;
    assert!((1..=2).contains(&lists), "{lists} lists in {STORM:?}");
    stormy.sort();
    let (calm, median) = (calm.into_iter().min().unwrap(), stormy[stormy.len() / 2]);
    report(&format!("51: a turn takes {calm:?} in calm and {median:?} in the storm; {lists} lists"));
    assert!(median <= calm + calm / 10, "{calm:?} in calm, {median:?} in the storm");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn list_changed_storm() {
    // A list is old only because the server says so.
    let timeouts = Timeouts { catalogue_fresh: Duration::from_secs(600), ..short() };
    let lab = Lab::with(timeouts).await;
    let (first, second) = (in_answers(&lab), on_the_standing_stream(&lab));
    lab.beside(async { tokio::join!(first, second) }).await;
}

/// Before every answer, at a thousand a second.
async fn in_answers(lab: &Lab) {
    static STORM_IS_ON: AtomicBool = AtomicBool::new(false);
    let era = ERAS[0];
    let fake = era
        .start(|seen: Seen| async move {
            (seen.method() == "tools/call").then(|| {
                let done = fake::event(&seen.message(json!({"content": [{"type": "text", "text": "x"}]})));
                let noise =
                    if STORM_IS_ON.load(Ordering::SeqCst) { changed().repeat(50) } else { String::new() };
                let mut pieces = vec![(50, noise.clone()); 9];
                pieces.push((50, format!("{noise}{done}")));
                fake::events(pieces)
            })
        })
        .await;
    turns_during(lab, &era.target(&fake), &fake, &STORM_IS_ON).await;
}

/// All the time, whether anybody calls or not.
async fn on_the_standing_stream(lab: &Lab) {
    static STORM_IS_ON: AtomicBool = AtomicBool::new(false);
    let old = OldPeer::start(|seen| {
        let done = seen.message(json!({"content": [{"type": "text", "text": "x"}]}));
        Told::Later(WORK, fake::event(&done))
    })
    .await;
    let storm = async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if STORM_IS_ON.load(Ordering::SeqCst) {
                old.tell(&changed().repeat(10));
            }
        }
    };
    let target = old.target();
    let working = turns_during(lab, &target, &old.fake, &STORM_IS_ON);
    tokio::select! {
        () = working => {}
        () = storm => {}
    }
}
