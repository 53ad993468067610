const USAGE: &str = ;
