//! What the tool says.

/// The same, louder.
pub fn louder(text: &str) -> String {
    format!("{}!", text.to_uppercase())
}

#[test]
fn it_is_louder() {
    assert_eq!(louder("hey"), "HEY!");
}
