//! A model of sessions, written from the rules and not from the code (attack 21): people,
//! browsers, parties, and random orders of asking, proving, ageing, signing out and revoking.
//!
//! `rules` says what must happen and shares nothing with the program; `driver` does it to the
//! real router, on two nodes over one database, and compares each answer, which `token` reads
//! with a plain XML parser. A failing order is shortened before it is shown, with its seed:
//! `CLAIMBRIDGE_MODEL_SEEDS=17..18` walks that one again, `0..200` walks many.

mod acts;
mod driver;
mod rules;
mod token;

use std::sync::{Arc, Mutex};

use rand_core::SeedableRng as _;

use self::{
    acts::{Act, Draw},
    driver::{Met, Run},
};

/// What is walked in each run of the tests, and how far.
const SEEDS: std::ops::Range<u64> = 0..10;
const ACTS: usize = 100;

/// How many times a failing order is tried with fewer acts.
const REPLAYS: usize = 60;

fn seeds() -> std::ops::Range<u64> {
    let Ok(given) = std::env::var("CLAIMBRIDGE_MODEL_SEEDS") else {
        return SEEDS;
    };
    let (from, to) = given.split_once("..").expect("seeds are FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

/// One walk in a world of its own; what it met, or the acts up to the fault and the fault.
async fn walk(seed: u64) -> Result<Met, (Vec<Act>, String)> {
    let done = Arc::new(Mutex::new(Vec::new()));
    let acts = Arc::clone(&done);
    let walking = tokio::spawn(async move {
        let mut run = Run::new(seed).await;
        let mut draw = Draw::new(rand_chacha::ChaCha8Rng::seed_from_u64(seed));
        for _ in 0..ACTS {
            let act = draw.act(&run.model, run.now());
            acts.lock().unwrap().push(act.clone());
            run.act(&act).await?;
        }
        Ok(run.met)
    });
    let fault = match walking.await {
        Ok(Ok(met)) => return Ok(met),
        Ok(Err(fault)) => fault,
        // A form that is not there is a panic of the test browser: a fault as well.
        Err(stopped) => stopped.to_string(),
    };
    let acts = done.lock().unwrap().clone();
    Err((acts, fault))
}

/// The same acts again; the fault, if there is one.
async fn replay(seed: u64, acts: Vec<Act>) -> Option<String> {
    let task = tokio::spawn(async move {
        let mut run = Run::new(seed).await;
        for act in &acts {
            if let Err(fault) = run.act(act).await {
                return Some(fault);
            }
        }
        None
    });
    task.await
        .unwrap_or_else(|error| Some(format!("the driver stopped: {error}")))
}

/// Leaves out what the fault does not need: halves first, then single acts.
async fn shortest(seed: u64, mut acts: Vec<Act>, mut fault: String) -> (Vec<Act>, String) {
    let mut left = REPLAYS;
    let mut size = acts.len() / 2;
    while size > 0 && left > 0 {
        let mut from = 0;
        // The last act is where it shows.
        while from + size < acts.len() && left > 0 {
            left -= 1;
            let mut fewer = acts.clone();
            fewer.drain(from..from + size);
            match replay(seed, fewer.clone()).await {
                Some(again) => (acts, fault) = (fewer, again),
                None => from += size,
            }
        }
        size /= 2;
    }
    (acts, fault)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_21_a_token_leaves_exactly_when_two_proofs_are_fresh_enough_and_tells_their_age() {
    let mut met = Met::default();
    for seed in seeds() {
        match walk(seed).await {
            Ok(more) => met.add(&more),
            Err((acts, fault)) => {
                println!("seed {seed}, act {}, to be shortened: {fault}", acts.len());
                let (acts, fault) = shortest(seed, acts, fault).await;
                panic!("seed {seed}, shortest order {acts:?}\n{fault}");
            }
        }
    }
    println!("met {met:?}");
    if seeds() == SEEDS {
        met.require_enough();
    }
}
