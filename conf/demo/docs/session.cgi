#!/bin/sh
# SPDX-License-Identifier: MIT
# What a CGI program sees of the session: variables of its environment.

text() {
    printf '%s' "$1" | sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' \
        -e 's/>/\&gt;/g' -e 's/"/\&quot;/g'
}

row() {
    if [ -n "$2" ]; then
        value="<code>$(text "$2")</code>"
    else
        value='<span class="quiet">not set</span>'
    fi
    printf '<tr><th scope="row"><code>%s</code></th><td>%s</td></tr>\n' \
        "$1" "$value"
}

cat <<'END'
Content-Type: text/html; charset=utf-8

<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<title>The session in a CGI program</title>
</head>
<body>
<header class="top"><div>
<p class="brand">mod_drsession</p>
<h1>In a CGI program</h1>
<p class="lead">This page is a shell script. <code>DRSessionExport user visits
cart</code> put these fields into its environment; it knows nothing of
Redis.</p>
</div></header>
<main>
<section class="card wide">
<h2>Its environment</h2>
<table>
<tbody>
END
row DRSESSION_STATUS "${DRSESSION_STATUS:-}"
row DRSESSION_user "${DRSESSION_user:-}"
row DRSESSION_visits "${DRSESSION_visits:-}"
row DRSESSION_cart "${DRSESSION_cart:-}"
cat <<'END'
</tbody>
</table>
<p><a href="./">Back to the session</a></p>
</section>
</main>
</body>
</html>
END
