# SPDX-License-Identifier: MIT
# Headless Chromium through WebDriver: what a page does for a visitor, seen
# from outside. It ends with the test. All names that the test gives it are
# this machine.
package DRS::Browser;
use strict;
use warnings;
use DRS::Proc;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use Time::HiRes qw(sleep time);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

sub find {
    my @found = grep { -x } map { my $d = $_; map { "$d/$_" } @_ }
        split(/:/, $ENV{PATH}), '/usr/lib/chromium';
    return $found[0];
}

sub chrome { return find('chromium', 'chromium-browser', 'google-chrome') }
sub driver { return find('chromedriver') }

# Why there is no browser here, or undef.
sub missing {
    return chrome() ? driver() ? undef : 'chromedriver is not installed'
        : 'chromium is not installed';
}

# options: size as 'width,height', names => a list of host names. Without a display, and apart from the
# settings of who runs the test.
sub new {
    my ($class, %opt) = @_;
    my $dir  = tempdir('drs-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $port = DRS::Proc::free_port();
    my $self = bless { dir => $dir, owner => $$,
        http => HTTP::Tiny->new(timeout => 60, proxy => undef,
            http_proxy => undef, https_proxy => undef) }, $class;
    $self->{pid} = DRS::Proc::spawn(log => "$dir/chromedriver.log",
        env => { HOME => $dir }, argv => [driver(), "--port=$port"]);
    $self->{web} = "http://127.0.0.1:$port";
    DRS::Proc::wait_until(20, sub {
        eval { $self->web('GET', '/status')->{ready} } })
        or die "chromedriver is not up\n";
    my $size = $opt{size} // '1200,1100';
    my $rules = join ', ', map { "MAP $_ 127.0.0.1" } @{ $opt{names} // [] };
    my $made = $self->web('POST', '/session', { capabilities => {
        alwaysMatch => {
            browserName          => 'chrome',
            acceptInsecureCerts  => JSON::PP::true,
            'goog:loggingPrefs'  => { browser => 'ALL' },
            'goog:chromeOptions' => { binary => chrome(), args => [
                qw(--headless --no-sandbox --disable-gpu --disable-quic
                   --no-first-run --disable-background-networking
                   --disable-component-update --disable-sync
                   --disable-dev-shm-usage --no-proxy-server
                   --remote-debugging-pipe), "--window-size=$size",
                $rules ? "--host-resolver-rules=$rules" : (),
                "--user-data-dir=$dir/profile" ] },
        } } });
    $self->{web} .= "/session/$made->{sessionId}";
    return $self;
}

# One command of WebDriver: its value, or death with what it said.
sub web {
    my ($self, $method, $path, $body) = @_;
    my $answer = $self->{http}->request($method, "$self->{web}$path", {
        headers => { 'Content-Type' => 'application/json' },
        $method eq 'POST' ? (content => $json->encode($body || {})) : () });
    my $said = eval { $json->decode($answer->{content}) } || {};
    return $said->{value} if $answer->{success};
    die "$method $path: $answer->{status} "
        . substr($answer->{content}, 0, 300) . "\n";
}

sub visit  { $_[0]->web('POST', '/url', { url => $_[1] }) }
sub back   { $_[0]->web('POST', '/back') }
sub forget { $_[0]->web('DELETE', '/cookie') }

# JavaScript in the page; the rest of the arguments are its `arguments`.
sub script {
    my ($self, $text, @args) = @_;
    return $self->web('POST', '/execute/sync',
        { script => $text, args => \@args });
}

# What a promise comes to; "failed" if it is broken.
sub promise {
    my ($self, $code) = @_;
    return $self->web('POST', '/execute/async', { args => [],
        script => 'const done = arguments[arguments.length - 1];'
            . "Promise.resolve((async () => { $code })())"
            . '.then(done, () => done("failed"))' });
}

sub click {
    my ($self, $selector) = @_;
    $self->script('document.querySelector(arguments[0]).click()', $selector);
}

# The text of an element, by default the page's; undef where there is none.
sub text {
    my ($self, $selector) = @_;
    $selector //= 'body';
    return $self->script('const one = document.querySelector(arguments[0]); '
        . 'return one && one.textContent', $selector);
}

# Until the page's text matches, 40 seconds at most; the text then.
sub text_like {
    my ($self, $wanted) = @_;
    my $text = '';
    DRS::Proc::wait_until(40, sub {
        $text = eval { $self->text } // '';
        $text =~ $wanted;
    });
    return $text;
}

# Whether JavaScript in the page says yes within 40 seconds.
sub comes {
    my ($self, $text, @args) = @_;
    return DRS::Proc::wait_until(40, sub {
        eval { $self->script("return ($text)", @args) } });
}

sub cookie {
    my ($self, $name) = @_;
    return (grep { $_->{name} eq $name } @{ $self->web('GET', '/cookie') })[0];
}

# What the console complained about since it was last asked.
sub complaints {
    my ($self) = @_;
    return grep { $_->{level} eq 'SEVERE' }
        @{ $self->web('POST', '/se/log', { type => 'browser' }) };
}

# A picture of the window, or of the whole page at this width.
sub picture {
    my ($self, $name, $width) = @_;
    if ($width) {
        $self->size($width, 800);
        $self->size($width, $self->script(
            'return document.documentElement.scrollHeight') + 2);
    }
    open my $out, '>:raw', $name or die "$name: $!";
    print $out decode_base64($self->web('GET', '/screenshot'));
    close $out or die "$name: $!";
    return -s $name;
}

# The size of the page itself, narrower than a window can be.
sub size {
    my ($self, $width, $height) = @_;
    $self->web('POST', '/goog/cdp/execute', {
        cmd => 'Emulation.setDeviceMetricsOverride', params => {
            width => $width, height => $height, deviceScaleFactor => 1,
            mobile => $width < 600 ? JSON::PP::true : JSON::PP::false } });
}

sub error_log { return DRS::Httpd::slurp("$_[0]{dir}/chromedriver.log") }

# A browser that is told to end goes on writing for a moment.
sub DESTROY {
    my ($self) = @_;
    return if !$self->{pid} || $self->{owner} != $$;
    local ($?, $@);
    eval { $self->web('DELETE', '') } if $self->{web} =~ /session/;
    DRS::Proc::stop(delete $self->{pid});
    DRS::Proc::wait_until(10, sub {
        remove_tree($self->{dir}, { error => \my $errors });
        return !-e $self->{dir};
    });
}

1;
