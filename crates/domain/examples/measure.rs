use anima_domain::dna::{extract, Trait};
fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let subset = std::env::args().nth(2).unwrap_or("all".into());
    let read = |f: &str| -> serde_json::Value { serde_json::from_str(&std::fs::read_to_string(format!("{dir}/{f}")).unwrap()).unwrap() };
    let (stories, r1, r2) = (read("stories.json"), read("reader1.json"), read("reader2.json"));
    let (mut right, mut wrong, mut none, mut moved_still, mut still) = (0, 0, 0, 0, 0);
    for (n, s) in stories.as_array().unwrap().iter().enumerate() {
        if (subset == "odd" && n % 2 == 0) || (subset == "even" && n % 2 == 1) { continue; }
        let id = s["id"].as_str().unwrap();
        let got = extract(s["story"].as_str().unwrap(), s["name"].as_str()).unwrap();
        let agreed: Vec<(Trait, &str)> = Trait::ALL.iter().filter_map(|t| {
            let a = r1[id].get(t.as_str())?.as_str()?; let b = r2[id].get(t.as_str())?.as_str()?;
            (a == b).then_some((*t, a))
        }).collect();
        if r1[id].as_object().unwrap().is_empty() && r2[id].as_object().unwrap().is_empty() {
            still += 1;
            let m: Vec<_> = got.dna.traits().filter(|(_, v)| (v - 0.5).abs() > 1e-9).collect();
            if !m.is_empty() { moved_still += 1; println!("{id} STILL moved {m:?}: {}", s["story"]); }
        }
        for (t, d) in agreed {
            let v = got.dna.get(t) - 0.5;
            let ok = if d == "up" { v > 1e-9 } else { v < -1e-9 };
            if ok { right += 1 } else if v.abs() < 1e-9 { none += 1; println!("{id} NONE {t} {d}: {}", s["story"]); }
            else { wrong += 1; println!("{id} WRONG {t} {d} ({v:.2}): {}", s["story"]); for e in &got.evidence { if e.of.as_str() == t.as_str() { println!("      {:.2} {} {:?}", e.points, e.theme, e.quote) } } }
        }
    }
    let all = right + wrong + none;
    println!("right {right}/{all} = {:.0} %, wrong {wrong} = {:.1} %, none {none}; still {moved_still}/{still}", 100.0 * right as f64 / all as f64, 100.0 * wrong as f64 / all as f64);
}
