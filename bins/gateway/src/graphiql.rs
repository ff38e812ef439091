//! `GraphiQL`: an embedded page to explore the API with, which needs no network.
//!
//! What is served and why the content security policy reads as it does is in
//! `assets/graphiql/README.md`.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use include_dir::{Dir, include_dir};
use serde_json::{Value, json};

static PAGE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/graphiql");
static EXAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/examples");

const POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo='; \
    img-src 'self' data:; font-src data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// `GET /graphiql`
pub async fn page() -> Response {
    let Some(page) = PAGE.get_file("index.html") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    answer("text/html; charset=utf-8", "no-store", page.contents())
}

/// `GET /graphiql/{file}`
pub async fn file(Path(name): Path<String>) -> Response {
    if name == "examples.json" {
        return answer("application/json", "no-cache", EXAMPLES_JSON.as_bytes());
    }
    let content_type = match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        // Licences and checksums are for readers of the source.
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match PAGE.get_file(&name) {
        Some(file) => answer(content_type, "public, max-age=3600", file.contents()),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(content_type: &'static str, cache: &'static str, body: &'static [u8]) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, body).into_response()
}

/// `[{ name, query, variables }]` of the example files, in order of file name.
static EXAMPLES_JSON: LazyLock<String> = LazyLock::new(|| {
    let mut files: Vec<_> = EXAMPLES
        .files()
        .filter(|it| it.path().extension().is_some_and(|it| it == "graphql"))
        .collect();
    files.sort_by_key(|it| it.path());
    let examples: Vec<Value> = files
        .into_iter()
        .filter_map(|file| {
            let text = file.contents_utf8()?;
            let (first, query) = text.split_once('\n')?;
            let name = first.strip_prefix("# ").unwrap_or(first).trim();
            let variables = EXAMPLES
                .get_file(file.path().with_extension("json"))
                .and_then(|it| serde_json::from_slice::<Value>(it.contents()).ok());
            let mut example = json!({ "name": name, "query": query.trim_start() });
            if let Some(variables) = variables {
                example["variables"] = variables;
            }
            Some(example)
        })
        .collect();
    Value::Array(examples).to_string()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_a_name_a_query_that_parses_and_sound_variables() {
        let examples: Vec<Value> = serde_json::from_str(&EXAMPLES_JSON).unwrap();
        let files = EXAMPLES
            .files()
            .filter(|it| it.path().extension().is_some_and(|it| it == "graphql"));
        assert_eq!(examples.len(), files.count());
        assert!(!examples.is_empty());
        for example in &examples {
            assert!(!example["name"].as_str().unwrap().is_empty());
            let query = example["query"].as_str().unwrap();
            async_graphql::parser::parse_query(query).unwrap();
        }
        for file in EXAMPLES
            .files()
            .filter(|it| it.path().extension().is_some_and(|it| it == "json"))
        {
            serde_json::from_slice::<Value>(file.contents()).unwrap();
        }
    }

    #[test]
    fn every_file_that_the_page_names_is_there() {
        let page = PAGE
            .get_file("index.html")
            .unwrap()
            .contents_utf8()
            .unwrap();
        let names = page
            .split("\"graphiql/")
            .skip(1)
            .map(|it| it.split('"').next().unwrap());
        let mut count = 0;
        for name in names {
            assert!(PAGE.get_file(name).is_some(), "{name}");
            count += 1;
        }
        assert!(count >= 6, "{count}");
    }
}
