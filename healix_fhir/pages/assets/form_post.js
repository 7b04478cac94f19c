// Sends the form that hands an app its answer; without script the person presses its button.
// Spec: OAuth 2.0 Form Post Response Mode 2
"use strict";

document.querySelector("form[data-send]").submit();
