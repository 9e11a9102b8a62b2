/* parallel-run-error.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run-error.h"

/**
 * parallel_run_error_quark:
 *
 * The quark of the domain %PARALLEL_RUN_ERROR.
 *
 * Returns: the quark
 */
G_DEFINE_QUARK (parallel-run-error-quark, parallel_run_error)

G_DEFINE_ENUM_TYPE (ParallelRunError, parallel_run_error,
                    G_DEFINE_ENUM_VALUE (PARALLEL_RUN_ERROR_FAILED, "failed"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_RUN_ERROR_BACKGROUND_FAILURE, "background-failure"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_RUN_ERROR_TIMED_OUT, "timed-out"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_RUN_ERROR_SILENT, "silent"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_RUN_ERROR_HALTED, "halted"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_RUN_ERROR_OUTPUT_LIMIT, "output-limit"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_RUN_ERROR_CLOSED, "closed"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_RUN_ERROR_EXIT_TIMED_OUT, "exit-timed-out"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_RUN_ERROR_UNEXPECTED_EXIT, "unexpected-exit"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_RUN_ERROR_POOL_BROKEN, "pool-broken"))
