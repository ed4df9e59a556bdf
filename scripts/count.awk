# Adds up what test programs report: Rust's `test result: ok. 3 passed; 0 failed; 1 ignored; …`, the same of our scripts' (`fuzz result:`,
# `fresh result:`), and what scripts/again.sh corrects (`again result: 1 passed; -1 failed`). Prints passed, failed and ignored.
/^(test|fuzz|fresh|again) result: / {
    for (i = 2; i <= NF; i++) {
        if ($i ~ /^passed;?$/) passed += $(i - 1)
        if ($i ~ /^failed;?$/) failed += $(i - 1)
        if ($i ~ /^ignored;?$/) ignored += $(i - 1)
    }
}
END { print passed + 0, failed + 0, ignored + 0 }
