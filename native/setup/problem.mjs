// What stops the set-up step: a sentence, what was tried, and the one command that mends it. Anything else that is
// thrown is a bug and is shown with its stack.

export class SetupProblem extends Error {
  /**
   * @param {string} message what is wrong, as one or two sentences
   * @param {string} remedy one command line that mends it
   * @param {readonly string[]} [tried] what was tried before giving up, one line each
   */
  constructor(message, remedy, tried = []) {
    super(message);
    this.name = "SetupProblem";
    this.remedy = remedy;
    this.tried = tried;
  }
}
