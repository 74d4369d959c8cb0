//! Reads reqwest's error chains into [`EgressError`]: the one place that knows how reqwest wraps things.

use std::{error::Error, io, time::Duration};

use crate::{
    error::{EgressError, Phase},
    policy::Refusal,
    resolve::LookupFailure,
    target::Target,
};

/// A request that got no response. `connect` is the deadline that a connect timeout has passed.
pub(crate) fn of_request(error: reqwest::Error, target: &Target, connect: Duration) -> EgressError {
    // reqwest prints the whole URL, query included, in its errors; sources end up in logs.
    let error = error.without_url();
    if error.is_builder() {
        return EgressError::InvalidRequest("its URL or headers cannot be written on the wire");
    }
    if !error.is_connect() && !error.is_dns() {
        return EgressError::Interrupted { target: target.clone(), source: error.into() };
    }
    of_connect(error, target, connect)
}

/// A body that ended too early.
pub(crate) fn of_body(error: reqwest::Error, target: &Target) -> EgressError {
    EgressError::Interrupted { target: target.clone(), source: error.without_url().into() }
}

fn of_connect(error: reqwest::Error, target: &Target, connect: Duration) -> EgressError {
    let target = target.clone();
    if let Some(refusal) = find::<Refusal>(&error) {
        return EgressError::Blocked { target, refusal: refusal.clone() };
    }
    match find::<LookupFailure>(&error) {
        Some(LookupFailure::NotFound) => return EgressError::NameNotFound { target },
        Some(LookupFailure::TimedOut) => {
            return EgressError::Timeout {
                target,
                phase: Phase::Connect,
                after: crate::limits::CONNECT_PLAIN,
            };
        }
        Some(LookupFailure::Failed(_) | LookupFailure::TooMany) => {
            return EgressError::NameLookup { target, source: error.into() };
        }
        None => {}
    }
    if let Some(reason) = find::<rustls::Error>(&error).map(tls_reason) {
        return EgressError::Tls { target, reason, source: error.into() };
    }
    if error.is_timeout() {
        return EgressError::Timeout { target, phase: Phase::Connect, after: connect };
    }
    let kind = find::<io::Error>(&error).map(io::Error::kind);
    match kind {
        // A peer that hangs up on our first TLS message speaks something else on this port.
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) if target.is_tls() => {
            EgressError::Tls { target, reason: "the TLS handshake failed", source: error.into() }
        }
        kind => EgressError::Connect { target, reason: connect_reason(kind), source: error.into() },
    }
}

fn connect_reason(kind: Option<io::ErrorKind>) -> &'static str {
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused",
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted) => "connection closed",
        Some(io::ErrorKind::HostUnreachable) => "host unreachable",
        Some(io::ErrorKind::NetworkUnreachable) => "network unreachable",
        _ => "connection failed",
    }
}

fn tls_reason(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError as Cert, Error as Tls};
    match error {
        Tls::InvalidCertificate(Cert::Expired | Cert::ExpiredContext { .. }) => "its certificate has expired",
        Tls::InvalidCertificate(Cert::NotValidYet | Cert::NotValidYetContext { .. }) => {
            "its certificate is not valid yet"
        }
        Tls::InvalidCertificate(Cert::NotValidForName | Cert::NotValidForNameContext { .. }) => {
            "its certificate is for another name"
        }
        Tls::InvalidCertificate(Cert::UnknownIssuer) => "its certificate comes from an unknown issuer",
        Tls::InvalidCertificate(Cert::Revoked) => "its certificate is revoked",
        Tls::InvalidCertificate(_) => "its certificate is not valid",
        Tls::InvalidMessage(_) => "there is no TLS on this port",
        _ => "the TLS handshake failed",
    }
}

/// Looks for a type in an error and everything below it, the inside of `io::Error` included: its `source()` skips the
/// error it wraps.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            // The innermost io::Error has the kind that matters; outer ones are wrappers around it.
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            return inner.and_then(|inner| find::<E>(inner)).or(Some(found));
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_cause_inside_nested_io_errors() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let nested = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert_eq!(find::<rustls::Error>(&nested).map(tls_reason), Some("its certificate has expired"));
        assert_eq!(find::<io::Error>(&nested).map(io::Error::kind), Some(io::ErrorKind::InvalidData));
        assert!(find::<Refusal>(&nested).is_none());
    }

    #[test]
    fn every_certificate_fault_has_its_own_words() {
        use rustls::{CertificateError as Cert, Error as Tls};
        let table = [
            (Cert::NotValidYet, "its certificate is not valid yet"),
            (Cert::NotValidForName, "its certificate is for another name"),
            (Cert::UnknownIssuer, "its certificate comes from an unknown issuer"),
            (Cert::Revoked, "its certificate is revoked"),
            (Cert::BadSignature, "its certificate is not valid"),
        ];
        for (fault, text) in table {
            assert_eq!(tls_reason(&Tls::InvalidCertificate(fault)), text);
        }
    }
}
