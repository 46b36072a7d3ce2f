//! What the README promises to list, it lists: every option of the command line, every field of `/stats`.

use windshield::config::OPTIONS;

const README: &str = include_str!("../README.md");
const STATS: &str = concat!(include_str!("../src/trace/mod.rs"), include_str!("../src/trace/stages.rs"));

#[test]
fn the_readme_names_every_option() {
    for option in OPTIONS {
        assert!(README.contains(&format!("`--{option}")), "--{option}");
    }
}

#[test]
fn the_readme_explains_every_field_of_stats() {
    let section =
        README.split("### /stats").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section /stats");
    let documented: Vec<&str> = section.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).collect();
    // Public fields of the structs that are serialized, as the source has them.
    let structs =
        STATS.split("Serialize)]\npub struct ").skip(1).map(|rest| rest.split("\n}").next().unwrap_or_default());
    let fields: Vec<&str> = structs
        .flat_map(str::lines)
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':').map(|(name, _)| name))
        .collect();
    assert!(fields.len() > 30, "the source is read rightly: {fields:?}");
    for field in fields {
        assert!(documented.contains(&field), "{field} is not explained");
    }
}
