/* run-steps.vala: a list of steps, run in parallel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

int main () {
  var steps = new GenericArray<Parallel.Step> ();

  foreach (unowned string command in new string[] { "sleep 1; echo first", "echo second", "echo third; exit 7" })
    steps.add (new Parallel.Step (new Parallel.CommandTask.shell (command), null));

  /* At most 3 at once, and a failure does not stop the others. */
  try {
    Parallel.run_steps (steps, 3, false);
  } catch (Error error) {
    stderr.printf ("%s\n", error.message);
    return 1;
  }

  return 0;
}
