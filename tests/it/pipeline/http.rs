//! The step `http` against a server that answers as it is told by the path, and says back what it was sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::{Place, fails, passes, verdict};

/// Serves until the test's process ends, and gives its address. `/status/<code>` has that status; `/echo` says back the body, with
/// the headers of interest before it, and `/hex` in hexadecimal digits alone; `/cookie` sets one; `/json` has an integer that no
/// binary fraction holds; `/login/<status>` sets a cookie and leads to `/echo`, `/away` to another server, and `/circle` to itself;
/// `/silent` never answers, and `/slow` has a body that takes its time.
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
        let hex = body.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let body = String::from_utf8_lossy(&body).into_owned();
        let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
        let (status, more, said) = match path.strip_prefix("/status/") {
            Some(code) => (code.to_owned(), "", "told".to_owned()),
            None if path == "/echo" => {
                ("200".to_owned(), "", format!("{}|{}|{body}", header("content-type"), header("cookie")))
            }
            None if path == "/hex" => ("200".to_owned(), "", format!("hex {hex}")),
            None if path.starts_with("/login") => {
                let status = path.rsplit_once("login/").map_or("302", |(_, status)| status);
                (status.to_owned(), "Set-Cookie: id=8\r\nLocation: /echo\r\n", String::new())
            }
            None if path == "/away" => ("302".to_owned(), "Location: http://127.0.0.1:1/\r\n", String::new()),
            None if path == "/circle" => ("302".to_owned(), "Location: /circle\r\n", String::new()),
            None if path == "/expire" => {
                ("200".to_owned(), "Set-Cookie: id=; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n", String::new())
            }
            None if path == "/silent" => {
                std::thread::sleep(std::time::Duration::from_mins(10));
                return;
            }
            None if path == "/slow" => return slow(stream),
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

/// A body that takes longer than the longest silence in it.
fn slow(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 20\r\n\r\n");
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(250));
        let _ = stream.write_all(b"x");
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
fn a_redirect_within_the_server_is_followed_and_its_cookies_are_kept() {
    let at = serve();
    let step = |method: &str, path: &str, more: &str| {
        format!("  - http: {{{method}: {{url: '{at}/{path}'{more}}}, register: {{x: '{{{{ OUTPUT }}}}'}}}}\n")
    };
    let check = |expected: &str| format!("  - check: {{equals: {{the: '{{{{ x }}}}', is: '{expected}'}}}}\n");
    let text = [
        step("post", "login", ", body: {a: 1}"),
        check("|id=8|"),
        step("post", "login/303", ", session: two, body: {a: 1}"),
        check("|id=8|"),
        step("post", "login/307", ", session: three, body: {a: 1}"),
        check("application/x-www-form-urlencoded|id=8|a=1"),
        step("get", "expire", ""),
        step("get", "echo", ""),
        check("||"),
        step("get", "away", ", response_code: 302"),
    ];
    passes(&format!("steps:\n{}", text.concat()));
    fails(
        &format!("steps:\n{}", step("get", "circle", "")),
        "/circle leads elsewhere again and again: more than 5 redirects",
    );
}

#[test]
fn a_body_goes_with_any_method_and_files_go_byte_by_byte() {
    let at = serve();
    let place = Place::with(&[]);
    std::fs::create_dir(place.path("resources")).expect("a folder");
    std::fs::write(place.path("resources/x.png"), b"\x89PNG\r\n\x1a\n{{ none }}\xff").expect("a file");
    let post =
        |more: &str| format!("{{http: {{post: {{url: '{at}/hex', {more}}}, register: {{x: '{{{{ OUTPUT }}}}'}}}}}}");
    let files = "files: {file: x.png, type: image/png}";
    let hex = "89504e470d0a1a0a7b7b206e6f6e65207d7dff0d0a";
    place.write(
        "a.yaml",
        &format!(
            "steps: [{}, {{check: {{contains: {{the: '{hex}', in: '{{{{ x }}}}'}}}}}}]\n",
            post(&format!("{files}, body: {{a: 1}}"))
        ),
    );
    let (code, report) = place.report("run a.yaml");
    assert_eq!((code, report["results"][0]["detail"].as_str()), (0, Some("")), "{report}");
    place.write("b.yaml", &format!("steps: [{}]\n", post(&format!("{files}, body: plain"))));
    let (code, report) = place.report("run b.yaml");
    let why = report["results"][0]["detail"].as_str().expect("why");
    assert!(
        code == 1 && why.starts_with("`body` is a text: beside `files` it is a map of fields and values"),
        "{report}"
    );
    passes(&format!(
        "steps: [{{http: {{get: {{url: '{at}/echo', body: 'q=1'}}, register: {{x: '{{{{ OUTPUT }}}}'}}}}}}, {{check: {{equals: {{the: '{{{{ x }}}}', is: '||q=1'}}}}}}]\n"
    ));
}

#[test]
fn a_server_may_keep_silent_for_as_long_as_is_said_and_its_body_may_take_longer() {
    let at = serve();
    let get = |path: &str, more: &str| verdict(&format!("steps: [{{http: {{get: {{url: '{at}/{path}', {more}}}}}}}]"));
    assert_eq!(get("slow", "timeout: 4"), (0, String::new()));
    let (code, why) = get("silent", "timeout: 0.5");
    assert!(code == 5 && why.contains("/silent: it kept silent for 0.5 seconds (`timeout`)"), "{code} {why}");
    assert_eq!(get("silent", "timeout: 0.5, should_fail: true"), (0, String::new()));
}

#[test]
fn what_cannot_be_reached_is_told_apart_from_what_fails() {
    let (code, why) = verdict("steps: [{http: {get: {url: 'http://127.0.0.1:1/'}}}]");
    assert!(
        code == 5 && why.starts_with("no answer from http://127.0.0.1:1/: ") && why.contains("Connection refused"),
        "{code} {why}"
    );
    passes("steps: [{http: {get: {url: 'http://127.0.0.1:1/', should_fail: true}}}]");
    fails("steps: [{http: {get: {url: 'ftp://h/'}}}]", "'ftp://h/' is no URL of http or https");
}
