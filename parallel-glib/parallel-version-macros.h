/* parallel-version-macros.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#ifdef PARALLEL_COMPILATION
# define PARALLEL_AVAILABLE_IN_ALL __attribute__ ((visibility ("default"))) extern
#else
# define PARALLEL_AVAILABLE_IN_ALL extern
#endif
