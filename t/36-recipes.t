#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The recipes of docs/recipes.md, as they stand there: configuration and
# programs are taken out of the page, set up on a private httpd and Redis, and
# each command of a "console" block has to print what the page says.
#
#     `/srv/shop/x`:       the next block is that file
#     ```apache            configuration
#     `a2enmod a b`        modules besides those that Debian enables
#     Adds to [..](#x)     the recipe x is set up as well
#     $ command            run by sh; `...` in its output is anything
use strict;
use warnings;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use IO::Socket::INET;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Browser;
use DRS::Guests;
use DRS::Proc;
use Test::More;

needs(qw(alias dir mime));
my $root  = "$FindBin::Bin/..";
my $build = $ENV{DRS_BUILD} // "$root/build";
$build = "$root/$build" unless $build =~ m{^/};
delete $ENV{$_} for qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY);

# What Debian's package enables, as far as httpd was not built with it.
my @debian = qw(access_compat alias auth_basic authn_core authn_file authz_core
    authz_host authz_user autoindex deflate dir env filter mime negotiation
    reqtimeout setenvif status unixd log_config);

my ($php, $no_php) = DRS::Guests::unpacked('php');

# The page: its recipes by their anchors.
my (%recipe, @order);
for my $part (split /^## /m, DRS::Httpd::slurp("$root/docs/recipes.md")) {
    my ($title, $text) = $part =~ /\A([^\n]*)\n(.*)/s;
    next if $part =~ /\A# /;
    my $anchor = lc($title =~ s/[^\w\s-]//gr) =~ s/ /-/gr;
    push @order, $anchor;
    $recipe{$anchor} = { title => $title, text => $text,
        modules => [map { split ' ' } $text =~ /`a2enmod ([^`]+)`/g],
        adds    => [$text =~ /^Adds to \[[^]]*\]\(#([\w-]+)\)/mg],
        conf    => join('', $text =~ /^```apache\n(.*?)^```$/msg),
        files   => { $text =~ m{^`(/srv/shop/[^`]+)`[^\n]*:\n\n```\w+\n(.*?)^```$}msg },
        console => join('', $text =~ /^```console\n(.*?)^```$/msg),
    };
}
my $common = delete $recipe{ shift @order };

# One recipe and what it adds to, set up; what it needs of the server.
sub set_up {
    my ($name) = @_;
    my @parts = map { $recipe{$_} } @{ $recipe{$name}{adds} }, $name;
    my $redis = start_redis();
    my $dir   = tempdir('drs-recipe-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    make_path(map { "$dir/$_" } qw(bin html cgi));
    my $at = bless { redis => $redis, dir => $dir, ports => {} }, 'Recipe';
    system('cp', "$build/drsession", "$dir/bin/") == 0 or die 'no command';
    for my $part (@parts) {
        my %file = %{ $part->{files} };
        $at->add($_, $file{$_}) for sort keys %file;
    }
    my @wanted = map { (/^proxy_/ ? 'proxy' : (), $_) }
        map { @{ $_->{modules} } } @parts;
    my %seen;
    @wanted = grep { !$seen{$_}++ && $_ ne 'cgid' } @wanted;
    my $conf = join '', map { $_->{conf} } $common, @parts;
    $conf .= 'LuaPackageCPath ' . DRS::Httpd::lua_home() . "/?.so\n"
        if $seen{lua};
    local $ENV{PATH} = "$dir/bin:$ENV{PATH}";
    $at->{httpd} = start_httpd(redis => $redis, base => \@debian,
        modules => \@wanted, conf => $at->local($conf)
        . ($redis->{credentials} // '') . "AddType text/html .html\n");
    return $at;
}

package Recipe;
use Test::More;

# Names and places of the page -> those of this machine.
sub local {
    my ($self, $text) = @_;
    my ($dir, $redis) = ($self->{dir}, $self->{redis}->port);
    $text =~ s{/srv/shop}{$dir}g;
    $text =~ s{/run/php/php-fpm\.sock}{$dir/fpm.sock}g;
    $text =~ s{http://shop\.example}{'http://127.0.0.1:' . $self->{httpd}->port}ge;
    $text =~ s{\b6379\b}{$redis}g;
    $text =~ s{\b(800\d)\b}{$self->{ports}{$1} //= DRS::Proc::free_port()}ge;
    return $text;
}

sub add {
    my ($self, $name, $text) = @_;
    $name = $self->local($name);
    File::Path::make_path($name =~ s{/[^/]+\z}{}r);
    open my $out, '>:raw', $name or die "$name: $!";
    print {$out} $self->local($text);
    close $out or die "$name: $!";
    chmod $text =~ /\A#!/ ? 0755 : 0644, $name;
}

# What a command prints, its own errors included.
sub sh {
    my ($self, $command) = @_;
    my $line = $self->local($command);
    $line =~ s/\bpython3\b/$self->{python}/ if $self->{python};
    open my $pipe, '-|', 'sh', '-c', "exec 2>&1; cd '$self->{dir}' && $line"
        or die "sh: $!";
    my $said = do { local $/; readline $pipe } // '';
    close $pipe;
    $said =~ s/\r//g;
    return $said;
}

# A server of the recipe: up when its port is.
sub serve {
    my ($self, $command, $port) = @_;
    my $line = $self->local($command);
    $line =~ s/\bpython3\b/$self->{python}/ if $self->{python};
    push @{ $self->{pids} }, my $pid = DRS::Proc::spawn(
        log => "$self->{dir}/server.log", argv => ['sh', '-c', "exec $line"]);
    return DRS::Proc::wait_until(20, sub {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) });
}

# Every command of the page prints what the page says.
sub run {
    my ($self, $console) = @_;
    for my $step (split /^(?=\$ )/m, $console) {
        my ($command, $wanted) = $step =~ /\A\$ ([^\n]*)\n(.*)\z/s;
        if ($command =~ s/ &\z//) {
            my ($port) = values %{ $self->{ports} };
            ok $self->serve($command, $port), "$command &"
                or diag DRS::Httpd::slurp("$self->{dir}/server.log");
            next;
        }
        my $pattern = join '', map { $_ eq "...\n" ? '(?s:.*)'
            : join '[^\n]*', map { quotemeta } split /\.\.\./, $_, -1 }
            split /(?<=\n)/, $wanted;
        $pattern =~ s/\\\n\z//;    # some bodies end without a new line
        my $said;
        # A log is written after the answer.
        my $right = sub { ($said = $self->sh($command)) =~ /\A$pattern\n?\z/ };
        ok $command =~ /^tail/ ? DRS::Proc::wait_until(5, $right) : $right->(),
            "\$ $command"
            or diag "said:\n$said\nwanted:\n$wanted";
    }
}

sub DESTROY { local $?; DRS::Proc::stop($_) for @{ $_[0]{pids} // [] } }

package main;

# What has to be there for a recipe, and what else is looked at.
my %needs = (
    'a-login-gate' => sub { DRS::Guests::find('', '{usr/,}{s,}bin/htpasswd') ? undef
        : 'no htpasswd' },
    'php' => sub { defined $php ? undef : "PHP IS NOT TRIED: $no_php" },
    'a-message-for-the-next-page' => sub {
        defined DRS::Httpd::lua_home() ? undef : 'drsession.so is not built' },
    'a-token-in-a-form' => sub {
        defined DRS::Httpd::lua_home() ? undef : 'drsession.so is not built' },
    'one-session-with-a-python-drsession-application' => sub {
        system('/usr/bin/python3 -c "import redis" 2>/dev/null') == 0
            ? undef : 'no python3-redis' },
);
my %before = (
    'php' => sub {
        my ($at) = @_;
        my ($pid, $why) = DRS::Guests::start_fpm($php, $at->{dir});
        ok defined $pid, 'PHP is up' or diag $why;
        push @{ $at->{pids} }, $pid // ();
    },
    'one-session-with-a-python-drsession-application' => sub {
        my ($at) = @_;
        $at->{python} = '/usr/bin/python3';
        my $lib = "$FindBin::Bin/lib/python";
        if (system('/usr/bin/python3 -c "import drsession" 2>/dev/null') == 0) {
            note 'with the package drsession itself';
            return;
        }
        diag 'NOT WITH drsession ITSELF, which is not installed: with a '
            . 'stand-in of the same wire format, t/lib/python/drsession.py';
        $at->{python} = "env PYTHONPATH=$lib /usr/bin/python3";
    },
);
my %after;

$after{'a-login-gate'} = sub {
    my ($at) = @_;
    my $ask = sub { $at->{httpd}->request(@_) };
    my $jar = jar();
    my %form = (jar => $jar, headers =>
        { 'Content-Type' => 'application/x-www-form-urlencoded' });
    for my $body ('user=ann&password=wrong', 'user=bob&password=secret',
        'user=-n&password=secret', 'user=&password=', '',
        'user=ann%0a&password=secret') {
        my $r = $ask->('POST', '/cgi-bin/login', %form, body => $body);
        is header($r, 'Location'), '/login.html', "refused: $body";
        is $jar->id, undef, 'without a session';
    }
    is header($ask->('GET', '/cgi-bin/login?user=ann&password=secret'),
        'Location'), '/login.html', 'not by GET';
    my @foreign = (body => 'user=ann&password=secret', headers =>
        { 'Sec-Fetch-Site' => 'cross-site' });
    is $ask->('POST', '/cgi-bin/login', @foreign)->{status}, 403,
        'a form of another site is refused';

    $ask->('POST', '/cgi-bin/login', %form, body => 'user=ann&password=secret');
    my $id = $jar->id;
    is $at->{redis}->cmd('HGET', "drsession:$id", 'user'), '"ann"', 'is in Redis';
    $ask->('POST', '/cgi-bin/login', %form, body => 'user=ann&password=secret');
    isnt $jar->id, $id, 'a second login gives another id';
    is $at->{redis}->cmd('EXISTS', "drsession:$id"), 0, 'the old one is dead';
    is $ask->('POST', '/members/', jar => $jar, @foreign)->{status}, 403,
        'a form of another site does not come through the gate';
    is $ask->('GET', '/members/', jar => $jar, headers =>
        { 'Sec-Fetch-Site' => 'cross-site' })->{status}, 200, 'a link does';
    is header($ask->('GET', '/members/', jar => $jar), 'Cache-Control'),
        'private, no-cache', 'no cache keeps a page of members';
    $at->{redis}->stop;
    is $ask->('GET', '/members/', jar => $jar)->{status}, 500,
        'no answer is not: no user';
};

$after{'log-out-everywhere-in-this-browser'} = sub {
    my ($at) = @_;
    is $at->{httpd}->get('/cgi-bin/logout')->{status}, 405, 'not by GET';
    is $at->{redis}->cmd('DBSIZE'), 0, 'nothing is left';
    $at->{redis}->stop;
    my $r = $at->{httpd}->request('POST', '/cgi-bin/logout',
        jar => jar(drsession => 'a' x 44));
    is $r->{status}, 503, 'what cannot be ended is not said to be';
    is header($r, 'Set-Cookie'), undef, 'and keeps its cookie';
};

$after{'a-cart-in-javascript'} = sub {
    my ($at) = @_;
    my $missing = DRS::Browser::missing();
    SKIP: {
        skip "THE PAGE IS NOT TRIED: $missing", 1 if $missing;
        my $browser = DRS::Browser->new;
        $browser->visit($at->{httpd}->url('/cart.html'));
        my $shows = sub { $browser->comes('document.querySelector("output")'
            . '.textContent === arguments[0]', $_[0]) };
        ok $shows->('nothing'), 'the cart is empty';
        $browser->script('document.querySelectorAll("button").forEach('
            . '(one) => { one.click(); one.click(); })');
        ok $shows->('tea, tea, cake, cake'), 'what is clicked at once is all there';
        my $id = $browser->cookie('drsession')->{value};
        is $at->{redis}->cmd('HGET', "drsession:$id", 'cart'),
            '["tea","tea","cake","cake"]', 'in Redis, too';
        is_deeply [$browser->complaints], [], 'the console has no error';
        $at->{redis}->cmd('HSET', "drsession:$id", 'cart', '{');
        $browser->click('button');
        ok $browser->comes('document.getElementById("error").textContent'),
            'what goes wrong is shown';
    }
};

$after{'a-counter-in-a-shell-cgi-program'} = sub {
    my ($at) = @_;
    my $jar = jar();
    my $visit = sub { $at->{httpd}->get('/cgi-bin/visits', jar => $jar) };
    $visit->();
    my @said = parallel(8, sub { $visit->()->{body} });
    is_deeply [sort @said], [map { "Visit $_.\n" } 2 .. 9],
        'visits at the same time all count';
    my $ttl = $at->{redis}->cmd('PTTL', 'drsession:' . $jar->id);
    ok $ttl > 1_700_000 && $ttl <= 1_800_000, 'the session expires';
    $at->{redis}->stop;
    is $visit->()->{status}, 503, 'without Redis it says so';
};

$after{'who-it-is-for-a-proxied-application'} = sub {
    my ($at) = @_;
    unlike DRS::Httpd::slurp("$at->{dir}/server.log"), qr/Error|Traceback/,
        'the application had no trouble';
    DRS::Proc::stop(pop @{ $at->{pids} });
    # One that shows what it is told, at the same port.
    my $all = "$at->{dir}/all.py";
    $at->add('/srv/shop/all.py', <<'PY');
from wsgiref.simple_server import make_server


def app(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [f"{k}\n".encode() for k in sorted(environ) if k[:5] == "HTTP_"]


make_server("127.0.0.1", 8000, app).serve_forever()
PY
    ok $at->serve('python3 /srv/shop/all.py', $at->{ports}{8000}), 'another';
    my $said = $at->sh('curl -s -b jar http://shop.example/app');
    like $said, qr/^HTTP_X_SESSION_USER$/m, 'is told the user';
    unlike $said, qr/COOKIE/, 'and not the cookie';
};

$after{'one-session-with-a-python-drsession-application'} = sub {
    my ($at) = @_;
    my ($id) = DRS::Httpd::slurp("$at->{dir}/jar") =~ /\tdrsession\t(\S+)/;
    like $id, qr/\A[\w-]{43}\z/, 'the id is one of drsession.py';
    is $at->{redis}->cmd('HGET', "drsession:$id", 'pages'), 2, 'the key is its';
    ok $at->{redis}->cmd('TTL', "drsession:$id") > 1700, 'and expires';
    my $jar = jar(drsession => $id);
    is $at->{httpd}->request('DELETE', '/session/name', jar => $jar)->{status},
        204, 'what httpd takes out';
    is $at->sh('curl -s -b jar http://shop.example/wiki'),
        "Page 3 for nobody.\n", 'is gone there';
    unlike DRS::Httpd::slurp("$at->{dir}/server.log"), qr/Error|Traceback/,
        'the application had no trouble';
};

$after{'php'} = sub {
    my ($at) = @_;
    my ($id) = DRS::Httpd::slurp("$at->{dir}/jar") =~ /\tdrsession\t(\S+)/;
    is_deeply { @{ $at->{redis}->cmd('HGETALL', "drsession:$id") } },
        { cart => '["tea","cake, big"]', changes => 2 },
        'Redis has what the script wrote';
    $at->{redis}->cmd('HSET', "drsession:$id", 'user', '"J\u00f6rg"');
    is $at->sh('curl -s -b jar http://shop.example/cart.php'),
        "2 for J\xC3\xB6rg: tea, cake, big\n", 'text is UTF-8';
    $at->{redis}->cmd('HSET', "drsession:$id", 'changes', '"x"');
    is $at->{httpd}->request('POST', '/cart.php', jar =>
        jar(drsession => $id))->{status}, 503, 'what fails is told';
};

$after{'a-message-for-the-next-page'} = sub {
    my ($at) = @_;
    is $at->{httpd}->get('/save')->{status}, 405, 'not by GET';
    my $jar = jar();
    $at->{httpd}->request('POST', '/save', jar => $jar);
    my @said = parallel(6, sub { $at->{httpd}->get('/list', jar => $jar)->{body} });
    is scalar(grep { /Saved/ } @said), 1, 'of many at once one shows it';
};

$after{'a-token-in-a-form'} = sub {
    my ($at) = @_;
    my ($mine, $other) = (jar(), jar());
    my @token = map { $at->{httpd}->get('/address', jar => $_)->{body}
        =~ /token" value="([0-9a-f]{32})"/ } $mine, $other, $mine;
    is $token[2], $token[0], 'another tab has the same token';
    isnt $token[1], $token[0], 'another visitor has his own';
    my $post = sub { $at->{httpd}->request('POST', '/address', jar => $mine,
        headers => { 'Content-Type' => 'application/x-www-form-urlencoded' },
        body => "token=$_[0]&address=x")->{status} };
    is $post->($token[1]), 403, 'which is of no use to others';
    is $post->($token[0]), 303, 'the right one is taken';
};

$after{'a-name-for-the-session-in-the-access-log'} = sub {
    my ($at) = @_;
    my $log = DRS::Httpd::slurp("$at->{dir}/access.log");
    my ($id) = DRS::Httpd::slurp("$at->{dir}/jar") =~ /\tdrsession\t(\S+)/;
    my @names = $log =~ m{page\.html HTTP/1\.1" 200 (\S+)}g;
    like $names[0], qr/\A[0-9a-f]{16}\z/, 'a name of 16 digits';
    is index($log, $id), -1, 'and not the id';
};

my %noise = (
    'a-login-gate' => [qr/\bAH01630: /, qr/:error\].*cannot connect/],
    'log-out-everywhere-in-this-browser' => [qr/\bAH01630: /,
        qr/response header DRSession|sessions are down: /],
    'a-counter-in-a-shell-cgi-program' => [qr/down|cannot connect/],
    'who-it-is-for-a-proxied-application' => [qr/\bAH01630: /],
    'php' => [qr/response header DRSession/,
        qr/AH01075.*passing brigade to output filters/],
);

cmp_ok scalar(@order), '>=', 10, 'the page has its recipes';
for my $name (@order) {
    my $one = $recipe{$name};
    subtest $name =~ tr/-/_/r => sub {
        my ($why) = grep { defined } map { $needs{$_} ? $needs{$_}->() : undef }
            @{ $one->{adds} }, $name;
        plan skip_all => $why if defined $why;
        ok $one->{conf} && $one->{console},
            'has a configuration and says what to expect';
        my $at = set_up($name);
        $at->run($_->{console} =~ /\A(.*\$ htpasswd[^\n]*\n[^\n]*\n)/s ? $1 : '')
            for map { $recipe{$_} } @{ $one->{adds} };
        $before{$name}->($at) if $before{$name};
        $at->run($one->{console});
        $after{$name}->($at) if $after{$name};
        error_log_is_clean($at->{httpd}, @{ $noise{$name} // [] });
    };
}

is_deeply [sort grep { !$recipe{$_} } keys %after, keys %before, keys %needs],
    [], 'no test is of a recipe that is not there';
my ($list) = DRS::Httpd::slurp("$root/docs/recipes.md") =~ /^(1\. .*?)\n\n/ms;
is_deeply [$list =~ /\(#([\w-]+)\)/g], \@order, 'the list at the top has them';
done_testing;
