use std::time::Duration;

use super::*;

#[test]
fn a_third_session_closes_the_oldest() {
    let (mut sessions, rules) = (Sessions::default(), Rules::default());
    let first = sessions.open(OpenedBy::Login, at(0), &rules);
    let second = sessions.open(OpenedBy::Login, at(1), &rules);
    let third = sessions.open(OpenedBy::Elsewhere, at(2), &rules);
    assert_eq!(judge(&sessions, &first, 3), Verdict::Refused(Refusal::Closed, Some(1)));
    assert_eq!(judge(&sessions, &second, 3), Verdict::Accepted { session: 2, serial: 2 });
    assert_eq!(judge(&sessions, &third, 3), Verdict::Accepted { session: 3, serial: 3 });
}

#[test]
fn an_expired_session_takes_no_place() {
    let (mut sessions, rules) = (Sessions::default(), Rules::default());
    let first = sessions.open(OpenedBy::Login, at(0), &rules);
    let second = sessions.open(OpenedBy::Login, at(4000), &rules);
    let _third = sessions.open(OpenedBy::Login, at(4800), &rules);
    assert_eq!(judge(&sessions, &first, 4800), Verdict::Refused(Refusal::Expired, Some(1)));
    assert!(matches!(judge(&sessions, &second, 4800), Verdict::Accepted { .. }));
}

#[test]
fn a_renewal_extends_without_opening() {
    let (mut sessions, rules) = (Sessions::default(), Rules::default());
    let first = sessions.open(OpenedBy::Login, at(0), &rules);
    let renewed = sessions.renew(first.session, &first.access, at(3900), &rules);
    assert_ne!(renewed.access, first.access);
    assert_eq!(renewed.expires_at, at(3900 + 4800));
    assert!(matches!(judge(&sessions, &first, 4799), Verdict::Accepted { .. }), "the old token lives on");
    assert_eq!(judge(&sessions, &first, 4800), Verdict::Refused(Refusal::Expired, Some(1)));
    assert!(matches!(judge(&sessions, &renewed, 4800), Verdict::Accepted { session: 1, .. }));
    assert_eq!(sessions.list(at(4800)).len(), 1);
}

#[test]
fn the_old_token_dies_or_stays_the_same_by_rule() {
    let rules = Rules { old_token: OldToken::Dies, ..Rules::default() };
    let mut sessions = Sessions::default();
    let first = sessions.open(OpenedBy::Login, at(0), &rules);
    let renewed = sessions.renew(1, &first.access, at(10), &rules);
    assert_eq!(judge(&sessions, &first, 10), Verdict::Refused(Refusal::Superseded, Some(1)));
    assert!(matches!(judge(&sessions, &renewed, 10), Verdict::Accepted { .. }));

    let rules = Rules { renewal_token: RenewalToken::Same, ..Rules::default() };
    let same = sessions.renew(1, &renewed.access, at(20), &rules);
    assert_eq!((same.access.as_str(), same.expires_at), (renewed.access.as_str(), at(4820)));
    assert!(matches!(judge(&sessions, &same, 4819), Verdict::Accepted { .. }));
}

#[test]
fn only_one_well_formed_bearer_is_looked_at() {
    let (mut sessions, rules) = (Sessions::default(), Rules::default());
    let grant = sessions.open(OpenedBy::Login, at(0), &rules);
    let good = HeaderValue::try_from(format!("Bearer {}", grant.access)).unwrap();
    let twice = [good.clone(), good];
    assert_eq!(sessions.judge(twice.iter(), at(1)), Verdict::Refused(Refusal::Repeated, None));
    assert_eq!(sessions.judge([].iter(), at(1)), Verdict::Refused(Refusal::Missing, None));
    let md = format!("Bearer {}", grant.md);
    for (text, refusal) in [
        (grant.access.as_str(), Refusal::NotABearer),
        ("Bearer ", Refusal::NotABearer),
        ("Bearer a b", Refusal::NotABearer),
        ("Basic YTpi", Refusal::NotABearer),
        ("Bearer unknown", Refusal::Unknown),
        (md.as_str(), Refusal::Unknown),
    ] {
        let field = [HeaderValue::try_from(text).unwrap()];
        assert_eq!(sessions.judge(field.iter(), at(1)), Verdict::Refused(refusal, None), "{text}");
    }
}

#[test]
fn failed_logins_lock_and_the_lock_ends() {
    let (mut limits, rules) = (Limits::default(), Rules::default());
    for second in 0..5 {
        assert_eq!(limits.login_penalty(at(second), &rules), None, "failure {second} is still looked at");
        limits.note_login_failure(at(second), &rules);
    }
    let penalty = limits.login_penalty(at(10), &rules).unwrap();
    assert!(penalty.captcha);
    assert_eq!(penalty.wait, Duration::from_secs(3594));
    assert!(!limits.redeem_ticket(&penalty.ticket, at(3603)), "a captcha cannot be waited out with a ticket");
    assert!(limits.is_locked(at(3603)) && !limits.is_locked(at(3604)));
    assert_eq!(limits.login_penalty(at(3604), &rules), None);
}

#[test]
fn the_sixteenth_renewal_in_an_hour_is_penalised() {
    let (mut limits, rules) = (Limits::default(), Rules::default());
    for second in 0..15 {
        limits.admit_renewal(at(second), &rules).unwrap();
    }
    let penalty = limits.admit_renewal(at(100), &rules).unwrap_err();
    assert_eq!((penalty.wait, penalty.captcha), (Duration::from_secs(3500), false));
    assert!(!limits.redeem_ticket(&penalty.ticket, at(3599)));
    assert!(limits.redeem_ticket(&penalty.ticket, at(3600)));
    assert!(!limits.redeem_ticket(&penalty.ticket, at(3600)), "a ticket is good once");
    limits.admit_renewal(at(3600), &rules).unwrap();
}

#[test]
fn back_off_is_a_rule_of_its_own() {
    let back_off = Duration::from_secs(15);
    let rules = Rules { login_back_off: back_off, renewal_back_off: back_off, ..Rules::default() };
    let mut limits = Limits::default();
    limits.note_login_failure(at(0), &rules);
    let penalty = limits.login_penalty(at(5), &rules).unwrap();
    assert_eq!((penalty.wait, penalty.captcha), (Duration::from_secs(10), true));
    assert_eq!(limits.login_penalty(at(15), &rules), None);
    limits.admit_renewal(at(0), &rules).unwrap();
    assert!(!limits.admit_renewal(at(14), &rules).unwrap_err().captcha);
    limits.admit_renewal(at(15), &rules).unwrap();
}

#[test]
fn a_refresh_token_is_good_once_and_not_for_ever() {
    let (mut sessions, rules) = (Sessions::default(), Rules::default());
    let seed = sessions.mint_refresh(None, at(0), &rules);
    let (grant, next) = sessions.redeem(&seed, at(10), &rules).unwrap();
    assert!(sessions.redeem(&seed, at(11), &rules).is_none(), "rotated");
    let (again, last) = sessions.redeem(&next, at(20), &rules).unwrap();
    assert_eq!(again.session, grant.session);
    assert!(sessions.redeem(&last, at(20 + 26 * 3600), &rules).is_none(), "expired");
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn judge(sessions: &Sessions, grant: &Grant, second: i64) -> Verdict {
    let field = [HeaderValue::try_from(format!("Bearer {}", grant.access)).unwrap()];
    sessions.judge(field.iter(), at(second))
}
