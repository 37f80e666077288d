//! What an evaluation may cost.

use super::*;

#[test]
fn an_evaluation_ends() {
    let costly = "deny contains x if {\n some a in n\n some b in n\n some c in n\n some d in n\n some e in n\n a + b + c + d + e == 1000\n x := {\"code\": \"a\", \"subject\": \"b\", \"message\": \"c\"}\n}\nn := [i | some i in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]]\n";
    let policy = with_rego(&replaced("deny := set()\n", costly)).unwrap();
    let limits = PolicyLimits { instructions_max: 100_000, ..LIMITS };
    assert!(matches!(policy.decide(&input(), &limits), Err(PolicyError::Stopped { .. })));
    // A text that is doubled until it has 128 MiB.
    let doubled: String = (1..=21).map(|n| format!("x{n} := concat(\"\", [x{0}, x{0}])\n", n - 1)).collect();
    let large = format!(
        "deny contains x if {{\n count(x21) > 0\n x := {{\"code\": \"a\", \"subject\": \"b\", \"message\": \"c\"}}\n}}\nx0 := \"{}\"\n{doubled}",
        "a".repeat(64)
    );
    let policy = with_rego(&replaced("deny := set()\n", &large)).unwrap();
    let limits = PolicyLimits { memory_bytes_max: 32 << 20, ..LIMITS };
    match policy.decide(&input(), &limits) {
        Err(PolicyError::Stopped { detail, .. }) => assert!(detail.contains("bytes of memory"), "{detail}"),
        other => panic!("{other:?}"),
    }
    let small = PolicyLimits { source_bytes_max: 10, input_bytes_max: 10, ..LIMITS };
    let own = Policy::read(&own(FILE), &definition("x.rego", EMPTY), &CONTROLS, &small);
    assert!(matches!(own, Err(PolicyError::TooLarge { .. })));
    let policy = with_rego(EMPTY).unwrap();
    assert!(matches!(policy.decide(&input(), &small), Err(PolicyError::TooLarge { .. })));
}
