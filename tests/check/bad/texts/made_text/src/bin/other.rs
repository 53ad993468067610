const USAGE: &str = concat!("a", "b");
