//! Obeys lines such as `pool stateless 8 400`: who calls, in which era, calls in flight, calls. Each is answered by one
//! line, a JSON array with the nanoseconds of every call.
//!
//! - `direct`: rmcp's client, one connection;
//! - `pool`: one user of the pool, connected and listed before;
//! - `fresh`: a user whom the pool has not seen before, so that the first calls find no connection;
//! - `users`: as many new users as calls; each connects, lists and calls once, and keeps the connection.

use std::{
    collections::HashMap,
    io::{self, Write as _},
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    direct::Direct,
    era::Era,
    pooled::{Pool, User},
};

/// Until standard input ends.
pub(crate) fn obey(runtime: &Runtime, origin: &str) -> Result<()> {
    let pool = {
        // The pool spawns the task that closes idle connections.
        let _inside = runtime.enter();
        Pool::new()?
    };
    let mut load =
        Load { origin: origin.to_owned(), pool, users: 0, direct: HashMap::new(), user: HashMap::new() };
    for line in io::stdin().lines() {
        let line = line?;
        let times = runtime.block_on(load.run(&line)).with_context(|| line.clone())?;
        writeln!(io::stdout(), "{}", serde_json::to_string(&times)?)?;
    }
    Ok(())
}

struct Load {
    origin: String,
    pool: Pool,
    /// Made so far; the number of each is used once.
    users: u128,
    direct: HashMap<&'static str, Arc<Direct>>,
    user: HashMap<&'static str, User>,
}

impl Load {
    async fn run(&mut self, line: &str) -> Result<Vec<u64>> {
        let [who, era, in_flight, count] = line.split(' ').collect::<Vec<_>>()[..] else {
            bail!("a line has four words: who, era, calls in flight, calls");
        };
        let era = Era::parse(era)?;
        let (in_flight, count) = (usize::from_str(in_flight)?, usize::from_str(count)?);
        let pool = self.pool.clone();
        match who {
            "direct" => {
                let direct = self.direct(era).await?;
                measure(in_flight, count, move |number| {
                    let direct = Arc::clone(&direct);
                    async move { direct.call(&number.to_string()).await }
                })
                .await
            }
            "pool" | "fresh" => {
                let user = if who == "pool" { self.listed(era).await? } else { self.new_user(era)? };
                measure(in_flight, count, move |number| {
                    let (pool, user) = (pool.clone(), user.clone());
                    async move { pool.call(&user, &number.to_string()).await }
                })
                .await
            }
            "users" => {
                let users = (0..count).map(|_| self.new_user(era)).collect::<Result<Vec<_>>>()?;
                measure(in_flight, count, move |number| {
                    let (pool, user) = (pool.clone(), users[number].clone());
                    async move { pool.call(&pool.list(user).await?, "one call").await }
                })
                .await
            }
            _ => bail!("nobody is named {who:?}"),
        }
    }

    async fn direct(&mut self, era: Era) -> Result<Arc<Direct>> {
        if let Some(open) = self.direct.get(era.path()) {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(Direct::open(format!("{}{}", self.origin, era.path()), era).await?);
        self.direct.insert(era.path(), Arc::clone(&opened));
        Ok(opened)
    }

    async fn listed(&mut self, era: Era) -> Result<User> {
        if let Some(user) = self.user.get(era.path()) {
            return Ok(user.clone());
        }
        let user = self.new_user(era)?;
        let user = self.pool.list(user).await?;
        self.user.insert(era.path(), user.clone());
        Ok(user)
    }

    fn new_user(&mut self, era: Era) -> Result<User> {
        self.users += 1;
        User::new(&self.origin, era, self.users)
    }
}

/// Makes calls 0 to `count`, so many at a time that the next begins when one has ended.
async fn measure<F>(
    in_flight: usize,
    count: usize,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Result<Vec<u64>>
where
    F: Future<Output = Result<()>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut running = JoinSet::new();
    for _ in 0..in_flight {
        let (next, call) = (Arc::clone(&next), call.clone());
        running.spawn(async move {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, anyhow::Error>(times);
                }
                let start = Instant::now();
                call(number).await?;
                times.push(u64::try_from(start.elapsed().as_nanos())?);
            }
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(times) = running.join_next().await {
        all.extend(times??);
    }
    Ok(all)
}
