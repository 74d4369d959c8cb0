//! How a server is doing, from what came of the last contacts with it.

use crate::limits::{HEALTH_CONTACTS, HEALTH_WINDOW_SECONDS, SLOW_MILLIS};
use api::{Timestamp, fleet::HealthState};
use std::collections::VecDeque;

/// What came of one contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// It did what it was asked; connecting and listing, or a call.
    Ok {
        /// Of connecting and listing; a call takes as long as its tool does.
        millis: Option<i64>,
    },
    /// It did not answer, or not as a server of its kind does.
    Failed,
    /// It did not take the credential.
    Refused,
}

/// The last contacts with one server, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Window(VecDeque<(Timestamp, Contact)>);

impl Window {
    /// Notes a contact; old ones go.
    pub fn push(&mut self, at: Timestamp, contact: Contact) {
        self.forget_old(at);
        if self.0.len() >= HEALTH_CONTACTS {
            self.0.pop_front();
        }
        self.0.push_back((at, contact));
    }

    fn forget_old(&mut self, now: Timestamp) {
        let from = now.plus_seconds(-HEALTH_WINDOW_SECONDS);
        while self.0.front().is_some_and(|(at, _)| *at < from) {
            self.0.pop_front();
        }
    }

    /// Failing: the last three contacts failed, or half of at least four. Refused credentials: the same, so that one user's bad
    /// token among others' good ones is no trouble of the server. Slow: connecting and listing takes 5 s in the middle.
    pub fn state(&self) -> HealthState {
        if self.0.is_empty() {
            return HealthState::Unknown;
        }
        let is = |wanted: Contact| move |contact: &Contact| *contact == wanted;
        if self.mostly(is(Contact::Failed)) {
            return HealthState::Failing;
        }
        if self.mostly(is(Contact::Refused)) {
            return HealthState::AuthTrouble;
        }
        match self.latency() {
            Some(millis) if millis >= SLOW_MILLIS => HealthState::Slow,
            _ => HealthState::Ok,
        }
    }

    /// All of fewer than three, the last three, or at least half of four and more.
    fn mostly(&self, is: impl Fn(&Contact) -> bool) -> bool {
        let count = self.0.iter().filter(|(_, contact)| is(contact)).count();
        let last = self.0.iter().rev().take(3).all(|(_, contact)| is(contact));
        last || (self.0.len() >= 4 && count * 2 >= self.0.len())
    }

    /// Milliseconds of connecting and listing, the middle of those in the window.
    pub fn latency(&self) -> Option<i64> {
        let mut known: Vec<i64> = self
            .0
            .iter()
            .filter_map(|(_, contact)| match contact {
                Contact::Ok { millis } => *millis,
                _ => None,
            })
            .collect();
        known.sort_unstable();
        known.get(known.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(contacts: &[Contact]) -> Window {
        let mut window = Window::default();
        for (n, contact) in contacts.iter().enumerate() {
            window.push(Timestamp(i64::try_from(n).unwrap() * 1_000_000), *contact);
        }
        window
    }

    const FAST: Contact = Contact::Ok { millis: Some(20) };
    const CALL: Contact = Contact::Ok { millis: None };
    const LATE: Contact = Contact::Ok { millis: Some(6_000) };
    use Contact::{Failed, Refused};

    #[test]
    fn states_follow_from_the_last_contacts() {
        let cases: [(&[Contact], HealthState); 9] = [
            (&[], HealthState::Unknown),
            (&[FAST], HealthState::Ok),
            (&[Failed], HealthState::Failing),
            (&[FAST, Failed], HealthState::Ok),
            (&[FAST, FAST, FAST, FAST, FAST, FAST, FAST, Failed, Failed, Failed], HealthState::Failing),
            (&[FAST, Failed, FAST, Failed], HealthState::Failing),
            (&[FAST, Refused, FAST], HealthState::Ok),
            (&[Refused, Refused, Refused], HealthState::AuthTrouble),
            (&[LATE, CALL, CALL, LATE, FAST], HealthState::Slow),
        ];
        for (contacts, state) in cases {
            assert_eq!(window(contacts).state(), state, "{contacts:?}");
        }
    }

    #[test]
    fn old_contacts_do_not_count() {
        let mut window = window(&[Failed, Failed, Failed]);
        window.push(Timestamp((HEALTH_WINDOW_SECONDS + 10) * 1_000_000), FAST);
        assert_eq!(window.state(), HealthState::Ok);
    }
}
