//! Tables of mounts: right ones by what they mean, wrong ones by what is said.

use super::*;

fn short(value: &str) -> String {
    let options = match parse(value) {
        Ok(options) => options,
        Err(error) => {
            let help = error.help.map(|help| format!(" ({help})")).unwrap_or_default();
            return format!("[{}] {}{help}", &value[error.place], error.message);
        }
    };
    let mut parts =
        vec![options.kind.name().to_owned(), if options.readonly { "ro" } else { "rw" }.to_owned()];
    for (name, field) in [
        ("from", &options.from),
        ("source", &options.source),
        ("target", &options.target),
        ("id", &options.id),
        ("env", &options.env),
    ] {
        parts.extend(field.iter().map(|field| format!("{name}={field}")));
    }
    for (name, number) in [("uid", options.uid), ("gid", options.gid)] {
        parts.extend(number.map(|number| format!("{name}={number}")));
    }
    parts.extend(options.mode.map(|mode| format!("mode={mode:o}")));
    parts.extend(options.size.map(|size| format!("size={size}")));
    if options.sharing != Sharing::Shared {
        parts.push(options.sharing.name().to_owned());
    }
    if options.required {
        parts.push("required".to_owned());
    }
    parts.join(" ")
}

#[test]
fn right_ones() {
    for (value, expected) in [
        ("target=/x", "bind ro target=/x"),
        ("type=bind,source=a,dst=/x,rw", "bind rw source=a target=/x"),
        ("type=bind,src=a,destination=/x,readonly=false", "bind rw source=a target=/x"),
        ("TYPE=Bind,From=stage,TARGET=/x,RO", "bind ro from=stage target=/x"),
        ("type=cache,target=/x", "cache rw target=/x"),
        ("type=cache,id=a,target=/x,ro,sharing=LOCKED", "cache ro target=/x id=a locked"),
        (
            "type=cache,target=/x,from=b,source=/c,mode=0700,uid=1,gid=2",
            "cache rw from=b source=/c target=/x uid=1 gid=2 mode=700",
        ),
        ("target=/x,sharing=private,type=cache", "cache rw target=/x private"),
        ("type=tmpfs,target=/x,size=64m", "tmpfs rw target=/x size=67108864"),
        ("size=1.5KiB,type=tmpfs,target=/x", "tmpfs rw target=/x size=1536"),
        ("type=tmpfs,target=/x,size=10 gb", "tmpfs rw target=/x size=10737418240"),
        ("type=tmpfs,target=/x,size=1024", "tmpfs rw target=/x size=1024"),
        ("type=secret,id=a", "secret ro id=a"),
        ("required,type=secret,target=/run/x/token", "secret ro target=/run/x/token required"),
        ("type=secret,src=a,env=TOKEN,required=false", "secret ro source=a env=TOKEN"),
        ("type=secret,id=a,mode=400,uid=4294967295,gid=0", "secret ro id=a uid=4294967295 gid=0 mode=400"),
        ("type=ssh", "ssh ro"),
        ("type=ssh,id=x,required=1,target=/s,mode=0666", "ssh ro target=/s id=x mode=666 required"),
        ("\"type=bind\",\"target=/a,b\"", "bind ro target=/a,b"),
        ("\"target=/a\"\"b\"", "bind ro target=/a\"b"),
        ("type=bind,from=,target=/x", "bind ro target=/x"),
        ("rw,ro,target=/x", "bind ro target=/x"),
        ("target=/a=b", "bind ro target=/a=b"),
    ] {
        assert_eq!(short(value), expected, "{value}");
    }
}

#[test]
fn wrong_ones() {
    for (value, expected) in [
        ("", "[] an empty mount"),
        ("type=volume", "[type=volume] unsupported mount type `volume`"),
        ("type=tmp", "[type=tmp] unsupported mount type `tmp` (did you mean `tmpfs`?)"),
        ("type=sceret", "[type=sceret] unsupported mount type `sceret` (did you mean `secret`?)"),
        ("tpye=bind", "[tpye=bind] unexpected key `tpye` in `tpye=bind` (did you mean `type`?)"),
        (" target=/x", "[ target=/x] unexpected key ` target` in ` target=/x` (did you mean `target`?)"),
        ("target", "[target] invalid field `target` must be a key=value pair"),
        (
            "reaonly,target=/x",
            "[reaonly] invalid field `reaonly` must be a key=value pair (did you mean `readonly`?)",
        ),
        ("target=/x,", "[] invalid field `` must be a key=value pair"),
        ("ro=maybe", "[ro=maybe] invalid value for ro: `maybe`"),
        ("rw=", "[rw=] invalid value for rw: ``"),
        ("type=cache,mode=8", "[mode=8] invalid value for mode: `8` (write it in octal: `0755`)"),
        ("type=cache,mode=+7", "[mode=+7] invalid value for mode: `+7` (write it in octal: `0755`)"),
        ("type=cache,uid=-1", "[uid=-1] invalid value for uid: `-1`"),
        ("type=cache,gid=4294967296", "[gid=4294967296] invalid value for gid: `4294967296`"),
        (
            "type=cache,sharing=lock",
            "[sharing=lock] unsupported sharing value `lock` (did you mean `locked`?)",
        ),
        (
            "type=tmpfs,size=64q",
            "[size=64q] invalid value for size: `64q` (write bytes, or a number with k, m or g: `64m`)",
        ),
        (
            "type=tmpfs,size=99999999p",
            "[size=99999999p] invalid value for size: `99999999p` (write bytes, or a number with k, m or g: `64m`)",
        ),
        ("size=1,target=/x", "[size=1] `size` is not allowed for mounts of type bind"),
        ("type=tmpfs,uid=1", "[uid=1] `uid` is not allowed for mounts of type tmpfs"),
        (
            "type=secret,id=a,sharing=locked",
            "[sharing=locked] `sharing` is not allowed for mounts of type secret",
        ),
        ("required,target=/x", "[required] `required` is not allowed for mounts of type bind"),
        ("env=A,type=cache", "[env=A] `env` is not allowed for mounts of type cache"),
        (
            "type=secret",
            "[type=secret] invalid secret mount: one of source, id, target required (name the secret: `id=NAME`)",
        ),
        ("type=secret,id=a,source=b", "[id=a] both source and id can't be set"),
        ("\"target=/x", "[\"target=/x] a quote is never closed"),
        ("\"target=/x\"y", "[\"target=/x\"y] text follows a quoted field"),
        (
            "target=\"/x\"",
            "[target=\"/x\"] a quote within an unquoted field (quotes go around the whole field: `\"id=a,b\"`)",
        ),
    ] {
        assert_eq!(short(value), expected, "{value}");
    }
}

#[test]
fn variables_are_expanded_field_by_field() {
    let expand = |value: &str| Ok(value.replace("$X", "a,b=c"));
    let options = parse_with("type=cache,id=$X,target=/$X,from=x", expand).unwrap();
    assert_eq!((options.id.as_deref(), options.target.as_deref()), (Some("a,b=c"), Some("/a,b=c")));
    let error = parse_with("target=$X", |_| Err("no such variable".to_owned())).unwrap_err();
    assert_eq!((error.message.as_str(), error.place), ("no such variable", 0..9));
    // `from` is not handed to the expansion.
    assert_eq!(parse_with("from=$X,target=/a", expand).unwrap().from.as_deref(), Some("$X"));
    assert_eq!(from_with_variable("type=bind,FROM=a$X").as_deref(), Some("a$X"));
    assert_eq!(from_with_variable("from=a$,target=$X"), None);
}

#[test]
fn a_secret_has_an_id() {
    for (value, id) in [
        ("type=secret,id=a,target=/b", Some("a")),
        ("type=secret,src=a", Some("a")),
        ("type=secret,target=/run/secrets/token", Some("token")),
        ("type=secret,target=/run/token/", Some("token")),
        ("type=secret,target=/", None),
    ] {
        assert_eq!(parse(value).unwrap().secret_id(), id, "{value}");
    }
}
