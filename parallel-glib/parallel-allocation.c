/* parallel-allocation.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-allocation.h"

ParallelAllocation *
parallel_allocation_start (const char * const             *options,
                           double                          patience,
                           const ParallelAllocationFuncs  *funcs,
                           gpointer                        owner,
                           GError                        **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "Not yet");
  return NULL;
}

void
parallel_allocation_close (ParallelAllocation *self)
{
}
