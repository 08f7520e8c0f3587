//! README.md shows the tables that run; `UPDATE_DOCS=1` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed expectation is a failed test

const MARK: &str =
    "<!-- From here on drawn from the code: UPDATE_DOCS=1 cargo test -p sinew-guard --test readme -->\n\n";

#[test]
fn the_readme_shows_the_tables_that_run() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, shown) = text.split_once(MARK).expect("README.md has lost its mark");
    let mut drawn = String::new();
    sinew_guard::render(&mut drawn).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{head}{MARK}{drawn}")).unwrap();
    } else {
        assert!(
            shown == drawn,
            "README.md differs from the tables: UPDATE_DOCS=1 cargo test -p sinew-guard --test readme"
        );
    }
}
