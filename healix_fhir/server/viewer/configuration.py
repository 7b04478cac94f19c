"""OHIF's `app-config.js` for this server: its DICOMweb endpoint, and how people sign in.

Made when it is asked for, since only the running server knows its address. The viewer is a public client: code with
PKCE, the access token in the tab's session storage, refreshed for as long as the person is signed in. A page that was
opened under another name of the server goes to the right one first, for codes are sent there only.

Spec: docs.ohif.org, configuration files; SMART App Launch 2.2 app-launch.html
"""

from __future__ import annotations

import json

from smart_auth.oauth import own_viewer

MOUNT = "/ohif"
"""Without a slash at the end: OHIF finds its redirect path by taking this off the front."""


def configuration(root: str) -> str:
    """The script for the server at `root`."""
    login = {
        "authority": root,
        "client_id": own_viewer.ID,
        "redirect_uri": root + own_viewer.PATH,
        "response_type": "code",
        "scope": own_viewer.ASKED,
        "extraQueryParams": {"aud": f"{root}/fhir"},
        "metadataSeed": {"end_session_endpoint": f"{root}/account/logout"},
        "revokeTokensOnSignout": True,
    }
    return f"""if (location.origin !== {json.dumps(root)}) {{
  location.replace({json.dumps(root)} + location.pathname + location.search);
}}
{FALLBACK}window.config = {{
  routerBasename: '{MOUNT}',
  oidc: [{json.dumps(login)}],
{SHOWN}}};
"""


FALLBACK = f"""// A part of the viewer takes this for its address when it happens to start after a style sheet came.
window.__filename = location.origin + '{MOUNT}/';
"""

SHOWN = """  extensions: [],
  modes: [],
  showStudyList: true,
  maxNumberOfWebWorkers: 3,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true,
  investigationalUseDialog: { option: 'never' },
  defaultDataSourceName: 'healix',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'healix',
      configuration: {
        friendlyName: 'Healix',
        name: 'healix',
        qidoRoot: '/dicomweb',
        wadoRoot: '/dicomweb',
        wadoUriRoot: '/dicomweb/wado',
        qidoSupportsIncludeField: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: true,
        supportsWildcard: true,
        supportsReject: false,
        dicomUploadEnabled: false,
        singlepart: 'bulkdata,video',
        bulkDataURI: { enabled: true, relativeResolution: 'studies' },
        omitQuotationForMultipartRequest: true,
      },
    },
  ],
"""
