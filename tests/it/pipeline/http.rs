//! The step `http` against a server that answers as it is told by the path, and says back what it was sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::{Place, fails, passes, verdict};

/// Serves until the test's process ends, and gives its address. `/status/<code>` has that status; `/echo` says back the body, with
/// the headers of interest before it; `/cookie` sets one; `/json` has an integer that no binary fraction holds.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line.trim().is_empty() => break,
                Ok(_) => lines.push(line.trim().to_owned()),
            }
        }
        let header = |name: &str| {
            let found =
                lines.iter().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
            found.map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut body).expect("the body");
        let body = String::from_utf8(body).expect("UTF-8");
        let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
        let (status, more, said) = match path.strip_prefix("/status/") {
            Some(code) => (code.to_owned(), "", "told".to_owned()),
            None if path == "/echo" => {
                ("200".to_owned(), "", format!("{}|{}|{body}", header("content-type"), header("cookie")))
            }
            None if path == "/cookie" => ("200".to_owned(), "Set-Cookie: id=7; Path=/; Secure\r\n", String::new()),
            None if path == "/evil" => ("200".to_owned(), "", "__import__('os').system('touch ran')".to_owned()),
            None => ("200".to_owned(), "", r#"{"id": 123456789012345678901, "price": 1.10, "none": null}"#.to_owned()),
        };
        let text = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: {}\r\n\r\n{said}", said.len());
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn a_status_must_be_the_one_that_is_written() {
    let at = serve();
    let get = |status: u16, expected: &str| {
        format!("steps: [{{http: {{get: {{url: '{at}/status/{status}', response_code: {expected}}}}}}}]")
    };
    passes(&get(201, "201"));
    passes(&get(204, "2xx"));
    passes(&get(404, "200-404"));
    fails(&get(201, "20"), "'20' is no status: write 201, 2xx or 200-299");
    fails(&get(500, "200"), "/status/500 answered 500, not 200 (http, main.yaml:1:10)");
    fails(
        &format!("steps: [{{http: {{get: {{url: '{at}/json', should_fail: true}}}}}}]"),
        "answered 200: there should be no answer",
    );
}

#[test]
fn what_is_sent_is_what_is_written_and_what_comes_is_data() {
    let at = serve();
    let place = Place::with(&[("resources/body.txt", "of {{ who }}"), ("resources/up.csv", "a,b")]);
    let step =
        |body: &str| format!("  - http: {{post: {{url: '{at}/echo', {body}}}, register: {{x: '{{{{ OUTPUT }}}}'}}}}\n");
    let check = |expected: &str| format!("  - check: {{equals: {{the: '{{{{ x }}}}', is: '{expected}'}}}}\n");
    let mut text = "variables: {who: Ann, zip: '007', n: 5}\nsteps:\n".to_owned();
    for (body, expected) in [
        ("body: {a: '{{ n }}', b: x y}", "application/x-www-form-urlencoded||a=5&b=x+y"),
        (
            "headers: {Content-Type: application/json}, body: {zip: '{{ zip }}', n: '{{ n }}', none: null}",
            "application/json||{\"zip\": \"007\", \"n\": 5, \"none\": null}",
        ),
        ("body: 'plain {{ who }}'", "||plain Ann"),
        ("body: '{{ [n, none_] | tojson }}'", "||[5, \"x\"]"),
        ("body_from_file: body.txt", "||of Ann"),
    ] {
        text += &step(body);
        text += &check(expected);
    }
    place.write("a.yaml", &text.replace("{who: Ann", "{none_: x, who: Ann"));
    let (code, report) = place.report("run a.yaml");
    assert_eq!((code, report["results"][0]["detail"].as_str()), (0, Some("")), "{report}");
    place.write("b.yaml", &format!("steps:\n{}  - check: \"{{{{ 'filename=' in x and 'a,b' in x and 'text/csv' in x and x.startswith('multipart/form-data; boundary=') }}}}\"\n", step("files: {file: up.csv, type: text/csv}")));
    let (code, report) = place.report("run b.yaml");
    assert_eq!((code, report["results"][0]["detail"].as_str()), (0, Some("")), "{report}");
    passes(&format!(
        "steps:\n  - http: {{get: {{url: '{at}/json'}}, register: {{j: '{{{{ OUTPUT }}}}'}}}}\n  - check: {{equals: {{the: '{{{{ j.id }}}}', is: 123456789012345678901}}}}\n  - check: {{equals: {{the: '{{{{ j.none }}}}', is: null}}}}\n"
    ));
    // An answer that is a program is a text.
    passes(&format!(
        "steps:\n  - http: {{get: {{url: '{at}/evil'}}, register: {{j: '{{{{ OUTPUT }}}}'}}}}\n  - check: {{contains: {{the: system, in: '{{{{ j }}}}'}}}}\n  - sh: {{command: test -e ran, return_code: 1}}\n"
    ));
}

#[test]
fn a_session_has_its_cookies_and_no_other_has_them() {
    let at = serve();
    let step = |path: &str, session: &str| {
        format!("  - http: {{get: {{url: '{at}/{path}'{session}}}, register: {{x: '{{{{ OUTPUT }}}}'}}}}\n")
    };
    let check = |expected: &str| format!("  - check: {{equals: {{the: '{{{{ x }}}}', is: '{expected}'}}}}\n");
    let text = [step("cookie", ""), step("echo", ""), check("|id=7|"), step("echo", ", session: other"), check("||")];
    passes(&format!("steps:\n{}", text.concat()));
}

#[test]
fn what_cannot_be_reached_is_told_apart_from_what_fails() {
    let (code, why) = verdict("steps: [{http: {get: {url: 'http://127.0.0.1:1/'}}}]");
    assert!(code == 5 && why.starts_with("no answer from http://127.0.0.1:1/: Connection refused"), "{code} {why}");
    passes("steps: [{http: {get: {url: 'http://127.0.0.1:1/', should_fail: true}}}]");
    fails("steps: [{http: {get: {url: 'ftp://h/'}}}]", "'ftp://h/' is no URL of http or https");
}
