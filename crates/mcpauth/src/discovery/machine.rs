//! What to ask next (protocol.md 14.2 to 14.4).

use std::collections::VecDeque;

use domain::{
    limits::URL_BYTES,
    oauth::challenge::Challenge,
    text::{quote, reveal},
};

use crate::{
    discovery::{
        Answer, Candidate, CandidateKind, DiscoveryError, DiscoveryErrorKind, Found, Question, Step, Trouble,
    },
    limits::CANDIDATES,
    metadata::{Refusal, ResourceMetadata, ServerMetadata},
    resource::Fit,
    urls::{authorization_server_candidates, check_endpoint, origin, resource_metadata_candidates},
};

#[cfg(test)]
mod tests;

/// A discovery under way. Ask [`Self::next`], do what it says, give it to [`Self::answer`], until it is done or has failed.
#[derive(Debug)]
pub struct Discovery {
    question: Question,
    phase: Phase,
    /// Addresses of this phase that were not asked yet.
    queue: VecDeque<String>,
    /// Issuers that were not looked at yet.
    issuers: VecDeque<String>,
    /// The address that an answer is expected for.
    asking: Option<String>,
    asked: usize,
    probed: Probed,
    published: Option<Published>,
    /// The first document of this phase that was refused.
    refusal: Option<Refusal>,
    /// The first address of this phase without a usable answer.
    trouble: Option<(Trouble, String)>,
    report: Vec<Candidate>,
}

#[derive(Debug)]
enum Phase {
    Probe,
    Resource,
    /// The metadata of this issuer.
    Server(String),
    /// The server's own origin, for those of 2025-03-26.
    Origin(String),
    Ended(Result<Box<Found>, Box<DiscoveryError>>),
}

#[derive(Debug, Default)]
struct Probed {
    status: Option<u16>,
    challenge: Challenge,
    trouble: Option<(Trouble, String)>,
}

#[derive(Debug)]
struct Published {
    url: String,
    metadata: ResourceMetadata,
    fit: Fit,
}

impl Discovery {
    /// Nothing is known yet.
    pub fn new(question: Question) -> Self {
        Self {
            question,
            phase: Phase::Probe,
            queue: VecDeque::new(),
            issuers: VecDeque::new(),
            asking: None,
            asked: 0,
            probed: Probed::default(),
            published: None,
            refusal: None,
            trouble: None,
            report: Vec::new(),
        }
    }

    /// What to do next; the same until it is answered.
    #[expect(clippy::should_implement_trait, reason = "steps want answers in between: this is no iterator")]
    pub fn next(&mut self) -> Step {
        loop {
            if let Phase::Ended(outcome) = &self.phase {
                return match outcome {
                    Ok(found) => Step::Done(found.clone()),
                    Err(error) => Step::Failed(error.clone()),
                };
            }
            if let Some(url) = &self.asking {
                return Step::Fetch { url: url.clone(), what: self.what() };
            }
            if matches!(self.phase, Phase::Probe) {
                return Step::Probe { url: self.question.server_url.clone() };
            }
            match self.queue.pop_front() {
                None => self.advance(),
                Some(_) if self.asked >= CANDIDATES => self.fail(),
                Some(url) => match check_endpoint(&url) {
                    Ok(()) => {
                        self.asked += 1;
                        self.asking = Some(url);
                    }
                    Err(advice) => {
                        self.note(&url, None, format!("not asked: {advice}"), false);
                        self.refuse(Refusal::Unsafe { field: self.what().as_str(), advice });
                    }
                },
            }
        }
    }

    /// What came of the last [`Self::next`]. An answer to another kind of step is ignored.
    pub fn answer(&mut self, answer: Answer) {
        if matches!(self.phase, Phase::Probe) {
            return self.answer_probe(answer);
        }
        let Some(url) = self.asking.take() else { return };
        match answer {
            Answer::Fetched { status, body } => self.answer_fetch(&url, status, &body),
            Answer::Failed { trouble, cause } => {
                self.note(&url, None, cause.clone(), false);
                self.trouble.get_or_insert((trouble, cause));
            }
            Answer::Probed { .. } => self.asking = Some(url),
        }
    }

    /// The end because the time is over.
    pub fn too_slow(self) -> DiscoveryError {
        let issuers = self.issuers_named();
        DiscoveryError { kind: DiscoveryErrorKind::TooSlow, report: self.report, issuers }
    }

    /// Whom the resource's own metadata names.
    fn issuers_named(&self) -> Vec<String> {
        self.published
            .as_ref()
            .map(|published| published.metadata.authorization_servers.clone())
            .unwrap_or_default()
    }

    fn what(&self) -> CandidateKind {
        match self.phase {
            Phase::Probe => CandidateKind::Probe,
            Phase::Resource => CandidateKind::ResourceMetadata,
            _ => CandidateKind::AuthorizationServer,
        }
    }

    fn answer_probe(&mut self, answer: Answer) {
        let url = self.question.server_url.clone();
        match answer {
            Answer::Probed { status, challenge } => {
                // Only a refusal challenges; with any other status the field is an ornament.
                let challenge = challenge.filter(|_| matches!(status, 401 | 403));
                let cause = match &challenge {
                    Some(Challenge { resource_metadata: Some(_), .. }) => {
                        "its challenge names resource metadata"
                    }
                    Some(_) => "its challenge names no resource metadata",
                    None => "no challenge",
                };
                self.note(&url, Some(status), cause.into(), challenge.is_some());
                if is_trouble(status) {
                    self.probed.trouble = Some((Trouble::Unreachable, trouble_text(status)));
                }
                self.probed.status = Some(status);
                self.probed.challenge = challenge.unwrap_or_default();
            }
            Answer::Failed { trouble, cause } => {
                self.note(&url, None, cause.clone(), false);
                if matches!(trouble, Trouble::Blocked | Trouble::Unreachable) {
                    // What it publishes is at the same address.
                    self.trouble = Some((trouble, cause));
                    return self.fail();
                }
                self.probed.trouble = Some((trouble, cause));
            }
            Answer::Fetched { .. } => return,
        }
        self.phase = Phase::Resource;
        let named = self.probed.challenge.resource_metadata.clone();
        for url in named.into_iter().chain(resource_metadata_candidates(&self.question.server_url)) {
            if !self.queue.contains(&url) {
                self.queue.push_back(url);
            }
        }
    }

    fn answer_fetch(&mut self, url: &str, status: u16, body: &[u8]) {
        if status != 200 {
            let cause = if is_definite(status) { "no document".to_owned() } else { trouble_text(status) };
            self.note(url, Some(status), cause.clone(), false);
            match &self.phase {
                Phase::Origin(origin) if status == 404 => {
                    let metadata = ServerMetadata::guessed(origin);
                    self.done(metadata, true);
                }
                _ if !is_definite(status) => {
                    self.trouble.get_or_insert((Trouble::Unreachable, cause));
                }
                _ => {}
            }
            return;
        }
        let refusal = match &self.phase {
            Phase::Resource => match ResourceMetadata::read(body, &self.question.server_url) {
                Ok((metadata, fit)) => {
                    self.note(url, Some(status), "usable".into(), true);
                    self.published = Some(Published { url: url.to_owned(), metadata, fit });
                    return self.look_at_issuers();
                }
                Err(refusal) => refusal,
            },
            Phase::Server(issuer) | Phase::Origin(issuer) => match ServerMetadata::read(body, issuer) {
                Ok(metadata) => {
                    self.note(url, Some(status), "usable".into(), true);
                    return self.done(metadata, false);
                }
                Err(refusal) => refusal,
            },
            Phase::Probe | Phase::Ended(_) => return,
        };
        self.note(url, Some(status), refusal.to_string(), false);
        let stops = matches!((&self.phase, &refusal), (Phase::Resource, Refusal::NotSupported { .. }));
        self.refuse(refusal);
        if stops {
            self.fail();
        }
    }

    /// The queue of the phase is empty.
    fn advance(&mut self) {
        match self.phase {
            Phase::Resource => self.no_resource_metadata(),
            Phase::Server(_) => self.next_issuer(),
            Phase::Probe | Phase::Origin(_) | Phase::Ended(_) => self.fail(),
        }
    }

    /// No candidate had a usable document. Only definite answers say that there is none.
    fn no_resource_metadata(&mut self) {
        let not_asked = matches!(self.refusal, Some(Refusal::Unsafe { .. }));
        if self.trouble.is_some() || (self.refusal.is_some() && !not_asked) {
            return self.fail();
        }
        if self.question.given_issuer.is_some() {
            return self.look_at_issuers();
        }
        if not_asked {
            return self.fail();
        }
        if self.probed.status == Some(401)
            && self.probed.challenge.resource_metadata.is_none()
            && let Some(origin) = origin(&self.question.server_url)
        {
            self.queue.extend(authorization_server_candidates(&origin).into_iter().take(1));
            self.phase = Phase::Origin(origin);
            return;
        }
        if self.probed.status.is_some_and(|status| (200..300).contains(&status)) {
            return self.end(DiscoveryErrorKind::NoAuthNeeded);
        }
        self.trouble = self.probed.trouble.take();
        self.fail();
    }

    /// The admin's issuer; or the one in use, if it is still listed; or all of them in their order.
    fn look_at_issuers(&mut self) {
        let listed = || self.published.iter().flat_map(|published| &published.metadata.authorization_servers);
        let pinned =
            self.question.pinned_issuer.as_ref().filter(|pinned| listed().any(|issuer| issuer == *pinned));
        self.issuers = match self.question.given_issuer.as_ref().or(pinned) {
            Some(issuer) => [issuer.clone()].into(),
            None => listed().cloned().collect(),
        };
        // What was wrong on the way here was wrong with other documents.
        self.refusal = None;
        self.trouble = None;
        self.next_issuer();
    }

    fn next_issuer(&mut self) {
        let Some(issuer) = self.issuers.pop_front() else { return self.fail() };
        self.queue = authorization_server_candidates(&issuer).into();
        if self.queue.is_empty() {
            self.refuse(Refusal::Unsafe { field: "issuer", advice: "use an address without a query" });
        }
        self.phase = Phase::Server(issuer);
    }

    fn done(&mut self, metadata: ServerMetadata, guessed: bool) {
        let server_url = self.question.server_url.clone();
        let issuer = metadata.issuer.clone();
        let mut found = Found {
            resource: server_url,
            resource_fit: Fit::Same,
            resource_metadata_url: None,
            all_issuers: vec![issuer.clone()],
            issuer,
            metadata,
            challenge_scope: self.probed.challenge.scope.take(),
            published_scopes: Vec::new(),
            guessed,
            report: std::mem::take(&mut self.report),
        };
        if guessed && let Some(last) = found.report.last_mut() {
            last.cause = "no document, so the default endpoints of 2025-03-26 are taken".into();
            last.used = true;
        }
        if let Some(Published { url, metadata, fit }) = self.published.take() {
            found.resource = metadata.resource;
            found.resource_fit = fit;
            found.resource_metadata_url = Some(url);
            found.all_issuers = metadata.authorization_servers;
            found.published_scopes = metadata.scopes_supported;
        }
        self.queue.clear();
        self.phase = Phase::Ended(Ok(Box::new(found)));
    }

    /// The end, for the first reason there was.
    fn fail(&mut self) {
        let kind = match (self.refusal.take(), self.trouble.take()) {
            (Some(refusal), _) => DiscoveryErrorKind::of(refusal, &self.question.server_url),
            (None, Some((Trouble::Blocked, what))) => DiscoveryErrorKind::Unsafe { what },
            (None, Some((Trouble::Late, _))) => DiscoveryErrorKind::TooSlow,
            (None, Some((Trouble::Unreachable | Trouble::Unusable, cause))) => {
                DiscoveryErrorKind::Unreachable { cause }
            }
            (None, None) => DiscoveryErrorKind::NoMetadata,
        };
        self.end(kind);
    }

    fn end(&mut self, kind: DiscoveryErrorKind) {
        let report = std::mem::take(&mut self.report);
        self.queue.clear();
        let issuers = self.issuers_named();
        self.phase = Phase::Ended(Err(Box::new(DiscoveryError { kind, report, issuers })));
    }

    /// Another kind of answer is no refusal: nothing is published there.
    fn refuse(&mut self, refusal: Refusal) {
        if !matches!(refusal, Refusal::NotADocument(_)) {
            self.refusal.get_or_insert(refusal);
        }
    }

    fn note(&mut self, url: &str, status: Option<u16>, cause: String, used: bool) {
        let what = self.what();
        // A challenge may name anything, and what is no address is exactly what an admin should be able to see.
        let url = quote(&reveal(url), URL_BYTES).replace('\t', "␉");
        self.report.push(Candidate { url, what, status, cause, used });
    }
}

/// The answer says nothing about what is published (protocol.md 14.2): overload, faults, timeouts.
fn is_trouble(status: u16) -> bool {
    status >= 500 || matches!(status, 408 | 425 | 429)
}

/// The answer says that nothing is published here.
fn is_definite(status: u16) -> bool {
    (400..500).contains(&status) && !is_trouble(status)
}

fn trouble_text(status: u16) -> String {
    match status {
        429 => "a server is asked too often (HTTP 429)".into(),
        _ => format!("a server answered with HTTP {status}"),
    }
}
