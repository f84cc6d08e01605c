//! rerank-client URL QUERY [TOP_N] < documents, one a line
//!
//! Sends the documents to `POST URL/rerank {query, documents, top_n}` and prints those that come
//! back, best first: score, a tab, the document. A server's answer may be in any order, so results
//! are joined by index; an index twice, or of no document, is an error and never another ranking.

use std::{collections::HashSet, env, error::Error, io, process::ExitCode, thread, time::Duration};

use serde::{Deserialize, Serialize};

const TRIES: u32 = 4;

#[derive(Serialize)]
struct Request<'a> {
    query: &'a str,
    documents: &'a [String],
    top_n: usize,
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Ranked>,
}

#[derive(Deserialize)]
struct Ranked {
    index: usize,
    score: f32,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rerank-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [url, query, rest @ ..] = arguments.as_slice() else {
        return Err("usage: rerank-client URL QUERY [TOP_N] < documents".into());
    };
    let documents = io::stdin().lines().collect::<Result<Vec<_>, _>>()?;
    let top_n = match rest.first() {
        Some(number) => number.parse()?,
        None => documents.len(),
    };
    for ranked in rerank(url, query, &documents, top_n)? {
        println!("{:.6}\t{}", ranked.score, documents[ranked.index]);
    }
    Ok(())
}

/// The best `top_n` documents, best first.
fn rerank(
    url: &str,
    query: &str,
    documents: &[String],
    top_n: usize,
) -> Result<Vec<Ranked>, Box<dyn Error>> {
    let url = format!("{}/rerank", url.trim_end_matches('/'));
    let answer: Answer = ask(&url, &Request { query, documents, top_n })?;
    let mut ranked = answer.results;
    let mut seen = HashSet::new();
    for one in &ranked {
        if one.index >= documents.len() || !seen.insert(one.index) || !one.score.is_finite() {
            return Err(format!("{url} gave index {} with score {}", one.index, one.score).into());
        }
    }
    if ranked.len() != top_n.min(documents.len()) {
        return Err(format!("{url} ranked {} of {} documents", ranked.len(), top_n).into());
    }
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)));
    Ok(ranked)
}

/// The answer of a server, which may need some seconds: what may pass is tried again.
fn ask(url: &str, request: &Request) -> Result<Answer, Box<dyn Error>> {
    let agent = ureq::AgentBuilder::new().timeout(Duration::from_secs(60)).build();
    let mut pause = Duration::from_millis(500);
    for _ in 1..TRIES {
        match agent.post(url).send_json(request) {
            Ok(answer) => return Ok(answer.into_json()?),
            Err(ureq::Error::Status(429 | 502 | 503 | 504, _) | ureq::Error::Transport(_)) => {}
            Err(error) => return Err(error.into()),
        }
        thread::sleep(pause);
        pause *= 2;
    }
    Ok(agent.post(url).send_json(request)?.into_json()?)
}
