use super::*;
use crate::{FinishReason, Interruption, ModelEvent, retry};
use std::{cmp::Reverse, collections::BinaryHeap};

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn ten_failures_open_it_and_one_asks_every_ten_seconds() {
    let (breaker, start) = (Breaker::default(), Instant::now());
    for _ in 1..BREAKER_OUTCOMES {
        breaker.failed(start);
        assert_eq!(breaker.admit(start), Ok(()));
    }
    breaker.failed(start);
    assert_eq!(breaker.admit(start), Err(secs(10)));
    assert_eq!(breaker.admit(start + secs(7)), Err(secs(3)));
    // One of those who waited, and no other until ten seconds later, whether it hears of it or not.
    for round in 1..=3 {
        let at = start + secs(10 * round);
        assert_eq!(breaker.admit(at), Ok(()));
        assert_eq!(breaker.admit(at), Err(secs(10)));
        if round == 2 {
            breaker.failed(at + secs(1));
            assert_eq!(breaker.admit(at + secs(1)), Err(secs(9)), "a failure of the one changes nothing");
        }
    }
    breaker.worked(start + secs(31));
    for _ in 0..100 {
        assert_eq!(breaker.admit(start + secs(31)), Ok(()), "all go on");
    }
}

#[test]
fn few_slow_or_rare_failures_open_nothing() {
    let (breaker, start) = (Breaker::default(), Instant::now());
    // One turn with its own back-off.
    for n in 0..100 {
        breaker.failed(start + secs(4 * n));
        assert_eq!(breaker.admit(start + secs(4 * n)), Ok(()));
    }
    // A busy provider that fails now and then; at half of it there is an end.
    let (breaker, start) = (Breaker::default(), start + secs(1000));
    for _ in 0..60 {
        breaker.worked(start);
    }
    for _ in 0..59 {
        breaker.failed(start);
        assert_eq!(breaker.admit(start), Ok(()));
    }
    breaker.failed(start);
    assert!(breaker.admit(start).is_err());
    // What was remembered of before says nothing after.
    breaker.worked(start + secs(10));
    for _ in 0..8 {
        breaker.failed(start + secs(10));
    }
    assert_eq!(breaker.admit(start + secs(10)), Ok(()));
}

#[test]
fn what_is_remembered_is_bounded() {
    let (breaker, start) = (Breaker::default(), Instant::now());
    for _ in 0..10_000 {
        breaker.worked(start);
    }
    assert_eq!(breaker.state().outcomes.len(), BREAKER_REMEMBERED);
    breaker.worked(start + BREAKER_WINDOW + secs(1));
    assert_eq!(breaker.state().outcomes.len(), 1);
}

/// Threat 121. Turns come one per second and the provider is down for ten minutes; each turn waits as the daemon does. Gives the
/// requests that reached the provider meanwhile, and the seconds after the outage until every one of those turns was answered.
fn outage(with_breaker: bool) -> (usize, f64) {
    const TURNS: u64 = 600;
    let (breaker, start) = (Breaker::default(), Instant::now());
    let end = start + secs(TURNS);
    // Evenly spread and the same in every run.
    let mut drawn = 0_u32;
    let mut chance = || {
        drawn = drawn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(drawn) / f64::from(u32::MAX)
    };
    let mut due: BinaryHeap<Reverse<(Instant, u64, u32)>> =
        (0..TURNS).map(|turn| Reverse((start + secs(turn), turn, 0))).collect();
    let (mut asked, mut last) = (0, end);
    while let Some(Reverse((now, turn, retries))) = due.pop() {
        let admitted = if with_breaker { breaker.admit(now) } else { Ok(()) };
        if let Err(wait) = admitted {
            due.push(Reverse((now + retry::after_pause(wait, chance()), turn, retries)));
        } else if now >= end {
            breaker.worked(now);
            last = last.max(now);
        } else {
            asked += 1;
            breaker.failed(now);
            let wait = retry::delay(retries + 1, None, chance());
            due.extend(wait.map(|wait| Reverse((now + wait, turn, retries + 1))));
        }
    }
    (asked, (last - end).as_secs_f64())
}

#[test]
fn ten_minutes_of_outage_are_no_storm_and_all_go_on_within_thirty_seconds() {
    let (asked, recovered) = outage(true);
    assert!(asked <= 660, "{asked} requests for 600 turns");
    assert!(asked <= 80, "{asked}: those that opened it, and one in ten seconds");
    assert!(recovered <= 30.0, "{recovered} s");
    // Without it this test would see the storm.
    assert!(outage(false).0 > 5_000);
}

/// Answers with what the test says, and counts.
struct Scripted(Mutex<(usize, VecDeque<Result<ModelEvent, ModelError>>)>);

#[async_trait]
impl ModelProvider for Scripted {
    async fn generate(&self, _: GenerationRequest, _: CancellationToken) -> Result<ModelStream, ModelError> {
        let mut script = self.0.lock().unwrap();
        script.0 += 1;
        let event = script.1.pop_front().unwrap();
        Ok(futures::stream::iter([event]).boxed())
    }
}

fn asked() -> GenerationRequest {
    GenerationRequest {
        model: "m".to_owned(),
        system: None,
        messages: vec![],
        tools: vec![],
        max_output_tokens: 1,
    }
}

async fn ask<P: ModelProvider>(guarded: &Guarded<P>) -> Option<ModelError> {
    match guarded.generate(asked(), CancellationToken::new()).await {
        Ok(mut stream) => stream.next().await.and_then(Result::err),
        Err(error) => Some(error),
    }
}

#[tokio::test(start_paused = true)]
async fn a_guarded_provider_is_asked_only_when_its_breaker_lets_it() {
    let down = || Err(ModelError::Unavailable { outage: Outage::Status { status: 503 }, retry_after: None });
    let fine = Ok(ModelEvent::End { reason: FinishReason::Stop });
    // Neither a stop nor a wrong key says that it is down; what breaks before its first event does.
    let mut script = VecDeque::from_iter(std::iter::repeat_n(Err(ModelError::Cancelled), 20));
    script.push_back(Err(ModelError::Interrupted(Interruption::Connection)));
    script.extend(std::iter::repeat_with(down).take(9));
    script.extend([Err(ModelError::Auth { status: 401 }), down(), fine]);
    let guarded = Guarded::new(Scripted(Mutex::new((0, script))));
    for _ in 0..30 {
        ask(&guarded).await;
    }
    let error = ask(&guarded).await.unwrap();
    let paused = ModelError::Unavailable { outage: Outage::Paused, retry_after: Some(secs(10)) };
    assert_eq!(error, paused);
    assert_eq!(
        (error.is_retryable(), error.paused(), error.code()),
        (true, Some(secs(10)), "model_unavailable")
    );
    assert!(error.public_message().contains("left alone"), "{}", error.public_message());
    assert_eq!(guarded.inner.0.lock().unwrap().0, 30, "it was not asked");
    tokio::time::advance(secs(10)).await;
    assert_eq!(ask(&guarded).await, Some(ModelError::Auth { status: 401 }));
    // It answered: a single failure is a failure like any other again.
    assert!(ask(&guarded).await.unwrap().paused().is_none());
    assert_eq!(ask(&guarded).await, None);
    assert_eq!(guarded.inner.0.lock().unwrap().0, 33);
}
