/* What keeps a pod's namespaces while its containers come and go: waits, reaps, and ends when told to. As small as can be,
 * since each pod that runc runs has one, and benches count its memory. */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

int main(void) {
    sigset_t all;
    int signal;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        if (sigwait(&all, &signal) != 0)
            continue;
        if (signal == SIGTERM || signal == SIGINT)
            return 0;
        if (signal == SIGCHLD)
            while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
    }
}
