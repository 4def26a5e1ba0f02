//! What a page of the console may load, and from where (Content Security Policy Level 3).

use http::HeaderValue;

/// The policy of pages whose pictures come from, and whose files go to, `origins`: the platform
/// bucket and what stands before it.
pub(super) fn of(origins: &[String]) -> HeaderValue {
    let elsewhere: String = origins.iter().map(|origin| format!(" {origin}")).collect();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; \
         img-src 'self' blob: data:{elsewhere}; media-src 'self'{elsewhere}; \
         connect-src 'self'{elsewhere}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    );
    // Origins are made of hosts and ports; without one that is not, pictures are missing and no more.
    HeaderValue::from_str(&policy).unwrap_or_else(|_| of(&[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_runs_but_files_of_ours_and_nothing_loads_but_from_the_bucket() {
        let policy = of(&["http://127.0.0.1:7781".to_owned()]);
        let policy = policy.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(policy.contains("img-src 'self' blob: data: http://127.0.0.1:7781;"), "{policy}");
        assert!(policy.contains("connect-src 'self' http://127.0.0.1:7781;"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("https:;"));
    }

    #[test]
    fn an_origin_that_is_none_is_left_out() {
        assert_eq!(of(&["http://a\r\nx: y".to_owned()]), of(&[]));
    }
}
