/* The linear algebra library: which kernel, and whether it is a fallback. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blas.h"

Test(blas, names_the_kernel_in_use)
{
    cr_assert_not_null(gv_blas_kernel());
    cr_assert_gt(strlen(gv_blas_kernel()), 0);
}

Test(blas, is_content_with_a_kernel_that_fits)
{
    gv_blas_set_threads(1);
    const char *better = gv_blas_better_kernel();
    cr_log_info("kernel %s, better %s", gv_blas_kernel(), better != NULL ? better : "none");
    if (better != NULL) {
        cr_assert_str_neq(better, gv_blas_kernel());
    }
}

Test(blas, better_kernel_is_taken_up_and_final)
{
    /* As the program does it: set the variable, execute itself again; here a test program is executed. */
    if (getenv("GV_TEST_BLAS_CHILD") != NULL) {
        cr_assert_null(gv_blas_better_kernel(), "kernel %s still has a better one", gv_blas_kernel());
        return;
    }
    const char *better = gv_blas_better_kernel();
    if (better == NULL) {
        cr_skip("the kernel %s fits this processor", gv_blas_kernel());
    }
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        (void)setenv("OPENBLAS_CORETYPE", better, 1);
        (void)setenv("GV_TEST_BLAS_CHILD", "1", 1);
        (void)unsetenv("BXFI_MAP"); /* by which Criterion knows a process that runs a test */
        (void)execl("/proc/self/exe", "test_blas", "--filter=blas/better_kernel_is_taken_up_and_final", "--quiet",
                    (char *)NULL);
        _exit(127);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
}

Test(blas, measures_a_plausible_speed)
{
    gv_blas_set_threads(1);
    double rate = gv_blas_measure(3);
    cr_assert(rate > 0.01 && rate < 1e5, "%g GFLOP/s", rate);
}
