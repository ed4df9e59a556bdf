# Adds up what test programs report: Rust's `test result: ok. 3 passed; 0 failed; 1 ignored; …` and the fuzz script's
# `fuzz result: 3 passed; 0 failed; 0 ignored`. Prints passed, failed and ignored.
/^(test|fuzz) result: / {
    for (i = 2; i <= NF; i++) {
        if ($i ~ /^passed;?$/) passed += $(i - 1)
        if ($i ~ /^failed;?$/) failed += $(i - 1)
        if ($i ~ /^ignored;?$/) ignored += $(i - 1)
    }
}
END { print passed + 0, failed + 0, ignored + 0 }
