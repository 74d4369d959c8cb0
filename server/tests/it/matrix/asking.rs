//! One row of a table, asked in every way; what came otherwise than the table says is collected, so that one run shows all of it.

use super::{
    caller::{Who, carriers},
    objects::World,
};
use crate::{description::answer_to, support::COOKIE};
use http::Method;
use std::collections::BTreeSet;
use testkit::http::{Answer, Ask, Proof};

/// Statuses of anonymous, suspended, member outside the group, member inside it, auditor, admin, owner.
pub(super) type Cells = [u16; 7];

/// A request and what every kind of caller gets.
pub(super) struct Row {
    pub(super) method: Method,
    /// The described address; `{id=open}` stands for the placeholder `{id}` filled with the object `open`.
    pub(super) path: &'static str,
    /// JSON, `<name>` standing for an object; empty for none.
    pub(super) body: &'static str,
    pub(super) cells: Cells,
    /// By one carrier only: each request costs a password hash or an attempt of a limit.
    once: bool,
    /// With a session made for this request, because the request ends it.
    own_session: bool,
}

pub(super) fn row(method: Method, path: &'static str, body: &'static str, cells: Cells) -> Row {
    Row { method, path, body, cells, once: false, own_session: false }
}

impl Row {
    pub(super) fn once(self) -> Self {
        Self { once: true, ..self }
    }

    pub(super) fn own_session(self) -> Self {
        Self { own_session: true, ..self.once() }
    }

    /// The operation: the address without fillings and without its query.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.method, template(self.path))
    }
}

/// `/a/{id=open}?limit=1` is the address `/a/{id}`.
fn template(path: &str) -> String {
    let address = path.split('?').next().unwrap_or(path);
    let mut parts = address.split('{');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inside, after) = part.split_once('}').unwrap();
        plain += &format!("{{{}}}{after}", inside.split('=').next().unwrap_or(inside));
    }
    plain
}

/// A server function and what every kind of caller gets.
pub(super) struct Function {
    pub(super) path: &'static str,
    pub(super) body: &'static str,
    pub(super) cells: Cells,
    pub(super) once: bool,
}

pub(super) struct Walk<'a> {
    world: &'a World,
    problems: Vec<String>,
    /// Operations that gave a good answer.
    pub(super) succeeded: BTreeSet<String>,
    asked: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        Self { world, problems: Vec::new(), succeeded: BTreeSet::new(), asked: 0 }
    }

    pub(super) fn wrong(&mut self, problem: String) {
        self.problems.push(problem);
    }

    pub(super) fn finish(self) {
        assert!(self.problems.is_empty(), "of {} requests:\n{}", self.asked, self.problems.join("\n"));
        assert!(self.asked > 1_000, "the walk asked {} times", self.asked);
    }

    /// A described operation.
    pub(super) async fn rest(&mut self, row: &Row) {
        let template = template(row.path);
        for (who, status) in Who::ALL.into_iter().zip(row.cells) {
            for proof in self.proofs(who, row.once, row.own_session).await {
                let answer = self.ask(row, who, &proof, "").await;
                self.compare(&row.key(), row.path, who, &proof, status, &answer);
                if answer.status < 300 || answer.status == 307 {
                    self.succeeded.insert(row.key());
                }
                if let Some(objection) = self.world.description.objection(&row.method, &template, &answer) {
                    self.wrong(format!("{} ({}) as {who:?}: {objection}", row.key(), row.path));
                }
            }
        }
        if !row.once {
            self.refused_carriers(row).await;
        }
    }

    /// The owner's token in the address is nobody's, and a cookie without our `Origin` changes nothing.
    async fn refused_carriers(&mut self, row: &Row) {
        let token = self.world.person(Who::Owner).token.clone();
        for name in ["token", "access_token", "session_token", "coder_session_token"] {
            let answer = self.ask(row, Who::Owner, &Proof::Nobody, &format!("{name}={token}")).await;
            if answer.status != row.cells[0] {
                self.wrong(format!(
                    "{}: `?{name}=` gave {} instead of {}",
                    row.key(),
                    answer.status,
                    row.cells[0]
                ));
            }
        }
        if row.method.is_safe() {
            return;
        }
        let (path, body) = self.filled(row, Who::Owner).await;
        let ask = self.world.server.anonymous().request(row.method.clone(), &path);
        let answer = with_body(ask, &body).header("cookie", &format!("{COOKIE}={token}")).send().await;
        if answer.status != 403 {
            self.wrong(format!("{}: the cookie without an Origin gave {}", row.key(), answer.status));
        }
    }

    /// An address that is served beside the described ones.
    pub(super) async fn beside(&mut self, row: &Row) {
        for (who, status) in Who::ALL.into_iter().zip(row.cells) {
            for proof in self.proofs(who, row.once, false).await {
                let answer = self.ask(row, who, &proof, "").await;
                self.compare(&row.key(), row.path, who, &proof, status, &answer);
            }
        }
    }

    /// A server function: always from our own pages.
    pub(super) async fn function(&mut self, row: &Function) {
        for (who, status) in Who::ALL.into_iter().zip(row.cells) {
            for proof in self.proofs(who, row.once, false).await {
                let body = self.world.fill(row.body, who).await;
                let client = self.world.server.anonymous().with(proof.clone());
                let ask = client.request(Method::POST, row.path);
                let ask = if matches!(proof, Proof::Cookie { .. }) {
                    ask
                } else {
                    ask.header("origin", &self.world.server.origin)
                };
                let answer = with_body(ask, &body).send().await;
                self.compare(row.path, row.body, who, &proof, status, &answer);
                let message = serde_json::from_str::<serde_json::Value>(&answer.body).unwrap_or_default();
                let message = message["body"]["message"].as_str().unwrap_or_default();
                if answer.status >= 400 && message.is_empty() {
                    self.wrong(format!("{} as {who:?} gives no sentence: {}", row.path, answer.body));
                }
            }
        }
    }

    async fn proofs(&self, who: Who, once: bool, own_session: bool) -> Vec<Proof> {
        if who == Who::Anonymous {
            return vec![Proof::Nobody];
        }
        let person = self.world.person(who);
        if own_session && who != Who::Suspended {
            let token = self.world.server.login(&person.email, &person.password).await;
            return vec![Proof::Cookie { name: COOKIE.to_owned(), token }];
        }
        carriers(person).into_iter().take(if once { 1 } else { 3 }).collect()
    }

    async fn filled(&self, row: &Row, who: Who) -> (String, String) {
        let path = self.world.fill_path(row.path, who).await;
        (path, self.world.fill(row.body, who).await)
    }

    async fn ask(&mut self, row: &Row, who: Who, proof: &Proof, query: &str) -> Answer {
        let (mut path, body) = self.filled(row, who).await;
        if !query.is_empty() {
            path += if path.contains('?') { "&" } else { "?" };
            path += query;
        }
        let client = self.world.server.anonymous().with(proof.clone());
        answer_to(with_body(client.request(row.method.clone(), &path), &body)).await
    }

    fn compare(&mut self, key: &str, asked: &str, who: Who, proof: &Proof, status: u16, answer: &Answer) {
        self.asked += 1;
        if answer.status != status {
            let carrier = match proof {
                Proof::Nobody => "without a proof",
                Proof::Cookie { .. } => "by cookie",
                Proof::Bearer(_) => "by Bearer",
                Proof::Header(_) => "by Coder-Session-Token",
            };
            self.wrong(format!(
                "{key} ({asked}) as {who:?} {carrier}: {} instead of {status}: {}",
                answer.status, answer.body
            ));
        }
    }
}

fn with_body(ask: Ask, body: &str) -> Ask {
    if body.is_empty() { ask } else { ask.body("application/json", body) }
}
